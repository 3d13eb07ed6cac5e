// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/session/fd_sets.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace davit::qmp {

Result<FdSets::Added> FdSets::Add(UniqueFd fd, std::optional<int64_t> fdset_id,
                                  std::optional<std::string> opaque) {
  if (fdset_id && *fdset_id < 0) {
    return Fail("Parameter 'fdset-id' expects a non-negative value");
  }
  int64_t id = fdset_id.value_or(0);
  if (!fdset_id) {
    while (sets_.contains(id)) ++id;
  }
  const int64_t number = fd.get();
  sets_[id].fds.push_back({std::move(fd), std::move(opaque)});
  return Added{id, number};
}

Status FdSets::Remove(int64_t fdset_id, std::optional<int64_t> fd) {
  const auto set = sets_.find(fdset_id);
  bool found = false;
  if (set != sets_.end()) {
    for (Entry& entry : set->second.fds) {
      if (fd && entry.fd.get() != *fd) continue;
      entry.removed = true;
      found = true;
    }
    if (!fd) found = true;
  }
  if (!found) {
    return Fail(
        fd ? fmt::format("File descriptor named 'fdset-id:{}, fd:{}' not found", fdset_id, *fd)
           : fmt::format("File descriptor named 'fdset-id:{}' not found", fdset_id));
  }
  CleanUp(set);
  return {};
}

std::vector<FdSets::SetInfo> FdSets::List() const {
  std::vector<SetInfo> list;
  for (auto it = sets_.rbegin(); it != sets_.rend(); ++it) {
    SetInfo& info = list.emplace_back();
    info.fdset_id = it->first;
    for (const Entry& entry : it->second.fds) info.fds.push_back({entry.fd.get(), entry.opaque});
  }
  return list;
}

Result<UniqueFd> FdSets::Open(int64_t fdset_id, int flags) {
  const auto set = sets_.find(fdset_id);
  if (set == sets_.end()) return FailErrno(fmt::format("/dev/fdset/{}", fdset_id), ENOENT);
  for (const Entry& entry : set->second.fds) {
    const int mode = fcntl(entry.fd.get(), F_GETFL);
    if (mode < 0 || (mode & O_ACCMODE) != (flags & O_ACCMODE)) continue;
    UniqueFd copy(fcntl(entry.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy) return FailErrno(fmt::format("/dev/fdset/{}", fdset_id));
    set->second.duplicates.push_back(copy.get());
    return copy;
  }
  return FailErrno(fmt::format("/dev/fdset/{}", fdset_id), EACCES);
}

void FdSets::Release(int fd) {
  for (auto it = sets_.begin(); it != sets_.end(); ++it) {
    if (std::erase(it->second.duplicates, fd) != 0) {
      if (it->second.duplicates.empty()) CleanUp(it);
      return;
    }
  }
}

void FdSets::ClientDisconnected() {
  --clients_;
  for (auto it = sets_.begin(); it != sets_.end();) it = CleanUp(it);
}

FdSets::Sets::iterator FdSets::CleanUp(Sets::iterator it) {
  Set& set = it->second;
  if (!running_ || running_()) {
    const bool unused = set.duplicates.empty() && clients_ == 0;
    std::erase_if(set.fds, [&](const Entry& entry) { return entry.removed || unused; });
  }
  return set.fds.empty() && set.duplicates.empty() ? sets_.erase(it) : std::next(it);
}

}  // namespace davit::qmp
