// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/session/fd_sets.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

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

namespace {

// What open(2) would have done with these flags. Its status flags are those of the open file, which
// the duplicate shares, as in QEMU.
bool ApplyFlags(int fd, int flags) {
  constexpr int kStatus = O_APPEND | O_NONBLOCK;
  const int status = fcntl(fd, F_GETFL);
  if (status < 0) return false;
  if ((flags & kStatus & ~status) != 0 && fcntl(fd, F_SETFL, status | (flags & kStatus)) != 0) {
    return false;
  }
  return (flags & O_TRUNC) == 0 || ftruncate(fd, 0) == 0;
}

}  // namespace

Result<UniqueFd> FdSets::Open(int64_t fdset_id, int flags, int* error) {
  const auto failed = [fdset_id, error](int err) {
    *error = err;
    return FailErrno(fmt::format("/dev/fdset/{}", fdset_id), err);
  };
  const auto set = sets_.find(fdset_id);
  if (set == sets_.end()) return failed(ENOENT);
  for (const Entry& entry : set->second.fds) {
    const int mode = fcntl(entry.fd.get(), F_GETFL);
    if (mode < 0 || (mode & O_ACCMODE) != (flags & O_ACCMODE)) continue;
    UniqueFd copy(fcntl(entry.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy || !ApplyFlags(copy.get(), flags)) {
      return failed(errno);
    }
    set->second.duplicates.push_back(copy.get());
    return copy;
  }
  return failed(EACCES);
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
