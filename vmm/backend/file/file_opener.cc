// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See file_opener.h.
#include "vmm/backend/file/file_opener.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

namespace davit::backend {

Result<UniqueFd> PathOpener::Open(const std::string& path, int flags, int* error) {
  constexpr mode_t kMode = 0666;
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC, kMode));
  if (fd) return fd;
  *error = errno;
  if (*error == EINVAL && (flags & O_DIRECT)) {
    return Fail(fmt::format("Could not open '{}': filesystem does not support O_DIRECT", path));
  }
  return FailErrno(fmt::format("Could not open '{}'", path), *error);
}

FileOpener& PlainOpener() {
  static PathOpener opener;
  return opener;
}

}  // namespace davit::backend
