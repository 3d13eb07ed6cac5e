// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A UNIX socket as a QMP client that is not ours has it: bytes as they are written, and what comes
// back, cut where that client cuts it. Every wait ends at the deadline. Owner: the test's thread.
#pragma once

#include <string>
#include <string_view>

#include "tests/support/process.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {

class Wire {
 public:
  static Result<Wire> Connect(const std::string& path);

  Status Send(std::string_view bytes);
  // With a descriptor in the same message (SCM_RIGHTS).
  Status SendWithFd(std::string_view bytes, int fd);
  // Up to and with `end`; what came behind it is the next call's. Error: end of file, deadline.
  Result<std::string> ReadTo(std::string_view end, milliseconds timeout = kDeadline);
  // End of file, with nothing before it but what was read already.
  bool AtEnd();
  void Close() { fd_.reset(); }

 private:
  static constexpr milliseconds kDeadline = kPatience;
  explicit Wire(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<size_t> Fill(milliseconds timeout);  // bytes that came; 0: end of file

  UniqueFd fd_;
  std::string read_;  // and not taken yet
};

}  // namespace davit::testing
