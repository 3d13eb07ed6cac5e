// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See fd_set_opener.h.
#include "daemon/fd_set_opener.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <optional>

namespace davit::daemon {
namespace {

constexpr std::string_view kPrefix = "/dev/fdset/";

// The number behind the prefix.
std::optional<int64_t> SetOf(std::string_view path) {
  path.remove_prefix(kPrefix.size());
  int64_t id = -1;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), id);
  if (error != std::errc() || end != path.data() + path.size()) return std::nullopt;
  return id;
}

}  // namespace

Result<UniqueFd> FdSetOpener::Open(const std::string& path, int flags, int* error) {
  if (!path.starts_with(kPrefix)) return paths_.Open(path, flags, error);
  const std::optional<int64_t> set = SetOf(path);
  if (!set) {
    *error = EINVAL;
    return Fail(fmt::format("Could not parse fdset {}", path));
  }
  if (auto fd = fd_sets_.Open(*set, flags, error)) return fd;
  // Those flags that QEMU opens with too.
  constexpr int kShown = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_DIRECT;
  return FailErrno(fmt::format("Could not dup FD for {} flags {:x}", path, flags & kShown), *error);
}

}  // namespace davit::daemon
