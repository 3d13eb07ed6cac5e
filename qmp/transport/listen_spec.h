// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Where a QMP monitor is reached: the value that -qmp, and -chardev socket with -mon, are parsed
// into. The only sockets of the control plane.
#pragma once

#include <string>

namespace davit::qmp {

struct MonitorSpec {
  enum class Kind {
    kUnix,   // path, abstract, tight
    kTcp,    // host, port
    kFd,     // fd: an inherited socket, listening (server) or connected
    kStdio,  // descriptors 0 and 1; server and wait have no meaning
  };
  Kind kind = Kind::kUnix;
  std::string label;  // the chardev's id ("compat_monitor0"); names the monitor in the log
  std::string path;
  bool abstract = false;  // `path` is a name of Linux's without a file, and without a mode
  bool tight = true;      // abstract: the name ends where the string does
  std::string host;       // empty: every local address, which needs allow_remote
  std::string port;       // number or service name
  bool ipv4 = true;       // of the addresses that `host` stands for, those wanted
  bool ipv6 = true;
  int fd = -1;          // taken over
  bool server = true;   // false: connect to the address (QEMU's default for a chardev socket)
  bool wait = false;    // server only: Listen() returns when the first client is there
  bool pretty = false;  // -mon pretty=on
  // davit's own key allow-remote=on: without it an address off loopback is refused, because whoever
  // reaches the monitor has the process's full rights.
  bool allow_remote = false;
};

}  // namespace davit::qmp
