// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// SIGTERM, SIGINT and SIGHUP ask the process to end; SIGPIPE is ignored. They are blocked in every
// thread (Block() before the first is made) and read from a descriptor on the control thread. Until
// that is watched they end what is waited for (vmm/base/waiting.h), so that the set-up fails.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/event_loop.h"

namespace davit::daemon {

class TerminationSignals {
 public:
  static void Block();
  // When nothing is left to be put in order: the process ends here if a signal has come.
  static void Unblock();
  // `fn` is called for each signal with "terminating on signal 15 from pid 1 (init)".
  static Result<std::unique_ptr<TerminationSignals>> Watch(
      io::EventLoop& loop, std::function<void(const std::string& what)> fn);

 private:
  TerminationSignals() = default;
  void OnReadable();

  UniqueFd fd_;
  std::function<void(const std::string&)> fn_;
  std::unique_ptr<io::Registration> registration_;
};

}  // namespace davit::daemon
