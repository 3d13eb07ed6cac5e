// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Sockets of character devices: making, connecting and naming them, with QEMU's wording of faults.
// Stateless, any thread. Name resolution and connecting may take time: at start only.
#pragma once

#include <sys/socket.h>

#include <string>

#include "vmm/backend/char/spec.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

// A listening socket. UNIX: a stale socket file is replaced, the new one has mode 0600. TCP: an
// address off loopback is an Error unless spec.allow_remote.
Result<UniqueFd> Listen(const SocketSpec& spec);
Result<UniqueFd> ConnectTo(const SocketSpec& spec);

// The ends of a socket: "unix:PATH" parts and "HOST:PORT" ([HOST] for IPv6).
struct SocketName {
  int family = AF_UNSPEC;
  std::string host;  // or the path; abstract names without their NUL
  std::string port;
  bool abstract = false;
};
SocketName LocalName(int fd);
SocketName PeerName(int fd);
// As filename() has it for a connected socket.
std::string HostPort(const SocketName& name);

}  // namespace davit::backend
