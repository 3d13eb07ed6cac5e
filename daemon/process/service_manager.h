// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a service manager (systemd, Type=notify) is told: sd_notify(3)'s protocol, one datagram of
// "KEY=VALUE" lines to the UNIX socket that NOTIFY_SOCKET names. Its manual page asks for no
// library. Without the variable nobody asked and nothing is sent. A manager that does not read is
// not waited for. Thread: the main one.
#pragma once

#include <string>
#include <string_view>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::daemon {

class ServiceManager {
 public:
  // Takes NOTIFY_SOCKET out of the environment, so that no helper program speaks for this process.
  // Call it before threads are made. Error: the address is not one of a UNIX socket, or no socket
  // can be made.
  static Result<ServiceManager> FromEnvironment();

  // The set-up is done, QMP answers. Error: the manager was not reached.
  Status Ready() const { return Send("READY=1"); }
  // The end has begun.
  Status Stopping() const { return Send("STOPPING=1"); }

 private:
  Status Send(std::string_view state) const;

  std::string address_;  // empty: no manager; "@NAME": an abstract socket
  UniqueFd fd_;
};

}  // namespace davit::daemon
