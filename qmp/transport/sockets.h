// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Opens the sockets of monitors. UNIX sockets are made with mode 0600 whatever the umask is, and in
// the place of a socket left behind; a file of another type is left alone. An abstract name has no
// file, and everybody in the same network namespace can connect to it. TCP addresses off
// loopback are refused unless allowed. Error texts are QEMU's. Blocking calls: used at start only.
#pragma once

#include <string>
#include <vector>

#include "qmp/transport/listen_spec.h"
#include "vmm/base/error.h"
#include "vmm/base/socket_file.h"
#include "vmm/base/unique_fd.h"

namespace davit::qmp {

struct ListeningSockets {
  std::vector<UniqueFd> fds;  // one for each address of a TCP host
  SocketFile file;
};

// kUnix, kTcp, kFd with spec.server. The descriptors do not block.
Result<ListeningSockets> OpenListening(const MonitorSpec& spec);

// kUnix, kTcp, kFd without spec.server.
Result<UniqueFd> OpenConnected(const MonitorSpec& spec);

// As query-chardev shows a monitor: "unix:/path,server=on", "unix:name,abstract=on",
// "tcp:127.0.0.1:4444".
// `fd`: the listening or connected socket, asked for its address; -1: as specified.
std::string DescribeMonitor(const MonitorSpec& spec, int fd);

}  // namespace davit::qmp
