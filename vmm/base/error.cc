// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See error.h.
#include "vmm/base/error.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace davit {
namespace {

// By ErrorCode.
constexpr std::array<std::string_view, 5> kClassNames = {
    "GenericError", "CommandNotFound", "DeviceNotActive", "DeviceNotFound", "KVMMissingCap"};

}  // namespace

std::string_view ErrorClassName(ErrorCode code) { return kClassNames[static_cast<size_t>(code)]; }

ErrorCode ErrorCodeOfClass(std::string_view name) {
  const auto it = std::find(kClassNames.begin(), kClassNames.end(), name);
  return it == kClassNames.end() ? ErrorCode::kGeneric
                                 : static_cast<ErrorCode>(it - kClassNames.begin());
}

std::ostream& operator<<(std::ostream& os, const Error& error) {
  os << error.message;
  if (!error.where.empty()) os << " (" << error.where << ")";
  return os;
}

tl::unexpected<Error> FailErrno(std::string what, int err) {
  what += ": ";
  what += std::strerror(err);
  return Fail(std::move(what));
}

}  // namespace davit
