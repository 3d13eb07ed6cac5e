// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The error type of the whole tree. Three classes of failure (docs/architecture.md, "Errors"):
// guest nonsense is a device-level error, an operator's mistake is an Error that travels up to
// a QMP error reply or a line on stderr, a broken invariant of ours is a CHECK (check.h).
// The message is what the operator reads: it names the argument and the cause, no full stop.
#pragma once

#include <cerrno>
#include <ostream>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace davit {

// The QMP error classes (qmp-spec, "Error") and nothing else: what a client can branch on.
enum class ErrorCode {
  kGeneric,
  kCommandNotFound,
  kDeviceNotActive,
  kDeviceNotFound,
  kKvmMissingCap,
};

// "GenericError", ... and back; a class unknown to us is a GenericError, as clients must take it.
std::string_view ErrorClassName(ErrorCode code);
ErrorCode ErrorCodeOfClass(std::string_view name);

struct Error {
  ErrorCode code = ErrorCode::kGeneric;
  std::string message;
  // Where it came from, for the log only (a file, an option); may be empty.
  std::string where;

  friend bool operator==(const Error&, const Error&) = default;
};

std::ostream& operator<<(std::ostream& os, const Error& error);

template <typename T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// return Fail("Device '{}' not found") style: build the text with fmt::format at the call.
inline tl::unexpected<Error> Fail(std::string message) {
  return tl::unexpected<Error>(Error{ErrorCode::kGeneric, std::move(message), {}});
}
inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message), {}});
}
inline tl::unexpected<Error> Fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

// "<what>: <strerror(err)>"; err defaults to errno, so call it before anything else can change it.
tl::unexpected<Error> FailErrno(std::string what, int err = errno);

}  // namespace davit

// Propagates the error of a Status-like expression.
#define DAVIT_TRY(expr)                                          \
  do {                                                           \
    auto davit_try_result = (expr);                              \
    if (!davit_try_result) {                                     \
      return ::davit::Fail(std::move(davit_try_result).error()); \
    }                                                            \
  } while (0)

// DAVIT_ASSIGN(auto x, F()): x = value of F(), or returns F()'s error.
#define DAVIT_ASSIGN_CAT2(a, b) a##b
#define DAVIT_ASSIGN_CAT(a, b) DAVIT_ASSIGN_CAT2(a, b)
#define DAVIT_ASSIGN_IMPL(tmp, lhs, expr)         \
  auto tmp = (expr);                              \
  if (!tmp) {                                     \
    return ::davit::Fail(std::move(tmp).error()); \
  }                                               \
  lhs = std::move(*tmp)
#define DAVIT_ASSIGN(lhs, expr) \
  DAVIT_ASSIGN_IMPL(DAVIT_ASSIGN_CAT(davit_assign_, __LINE__), lhs, expr)
