// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// NamedFds: texts as QEMU's monitor has them.
#include "schema/runtime/named_fds.h"

#include <fmt/format.h>

namespace davit::qapi {

Status NamedFds::Set(std::string name, UniqueFd fd) {
  // A number where a name can stand means an inherited descriptor.
  if (!name.empty() && name[0] >= '0' && name[0] <= '9') {
    return Fail("Parameter 'fdname' expects a name not starting with a digit");
  }
  fds_.insert_or_assign(std::move(name), std::move(fd));
  return {};
}

Result<UniqueFd> NamedFds::Take(std::string_view name) {
  const auto it = fds_.find(name);
  if (it == fds_.end()) {
    return Fail(fmt::format("File descriptor named '{}' has not been found", name));
  }
  UniqueFd fd = std::move(it->second);
  fds_.erase(it);
  return fd;
}

Status NamedFds::Close(std::string_view name) {
  const auto it = fds_.find(name);
  if (it == fds_.end()) return Fail(fmt::format("File descriptor named '{}' not found", name));
  fds_.erase(it);
  return {};
}

}  // namespace davit::qapi
