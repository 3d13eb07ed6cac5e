// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See error.h.
#include "vmm/base/error.h"

#include <cstring>

namespace davit {

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
