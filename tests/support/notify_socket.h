// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A service manager's end of sd_notify(3): a datagram socket, and NOTIFY_SOCKET in the environment
// with its address while it lives. A failure to make it is one of the test. Owner: the test's
// thread.
#pragma once

#include <chrono>
#include <string>

#include "vmm/base/unique_fd.h"

namespace davit::testing {

class NotifySocket {
 public:
  // address: a path, which is removed at the end, or '@' and a name that is in no file system; at
  // most 107 bytes.
  explicit NotifySocket(const std::string& address);
  ~NotifySocket();
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  // The next message; empty when none comes in time.
  std::string Next(std::chrono::milliseconds timeout = std::chrono::milliseconds(45'000));

 private:
  const std::string address_;
  UniqueFd fd_;
};

}  // namespace davit::testing
