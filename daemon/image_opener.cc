// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See image_opener.h.
#include "daemon/image_opener.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

namespace davit::daemon {
namespace {

constexpr std::string_view kPrefix = "/dev/fdset/";

std::optional<int64_t> SetOf(std::string_view path) {
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  int64_t id = -1;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), id);
  if (error != std::errc() || end != path.data() + path.size()) return std::nullopt;
  return id;
}

}  // namespace

Result<UniqueFd> ImageOpener::Open(const std::string& path, int flags, int* error) {
  const std::optional<int64_t> set = SetOf(path);
  if (!set) return paths_.Open(path, flags, error);
  if (auto fd = fd_sets_.Open(*set, flags)) return fd;
  const auto sets = fd_sets_.List();
  const bool exists = std::any_of(sets.begin(), sets.end(),
                                  [&](const auto& info) { return info.fdset_id == *set; });
  *error = exists ? EACCES : ENOENT;
  return FailErrno(
      fmt::format("Could not dup FD for {} flags {:x}", path, flags & (O_ACCMODE | O_DIRECT)),
      *error);
}

}  // namespace davit::daemon
