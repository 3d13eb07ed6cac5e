// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Sockets of character devices: making, connecting and naming them, with QEMU's wording of faults.
// Stateless, any thread. Name resolution and ConnectTo() may take time: at start only. A signal
// that ends the process ends ConnectTo() ("Interrupted system call"); name resolution ends by the
// resolver's time limits.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>
#include <vector>

#include "vmm/backend/char/spec.h"
#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

// A listening socket. UNIX: a stale socket file is replaced, the new one has mode 0600. TCP: an
// address off loopback is an Error unless spec.allow_remote.
Result<UniqueFd> Listen(const SocketSpec& spec);
Result<UniqueFd> ConnectTo(const SocketSpec& spec);

// Connecting that does not wait: what a path or a name stands for, tried one after the other.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;
};
Result<std::vector<Endpoint>> Endpoints(const SocketSpec& spec);
Result<Endpoint> UnixEndpoint(const UnixAddress& unix);
// Before bind(): a socket that was left at the path goes, anything else stays; the file of `fd`
// will be its owner's alone. Nothing to do for abstract names.
Status PrepareUnixBind(const UnixAddress& unix, int fd);
// The socket gets writable when it is connected or has failed (SO_ERROR). None: failed at once.
UniqueFd StartConnect(const Endpoint& endpoint, int& error);
// "Failed to connect to 'PATH'" and the cause.
tl::unexpected<Error> FailConnect(const SocketSpec& spec, int error);

// A UDP socket that speaks to `remote` alone, from `local` or an address of the system's choice.
Result<UniqueFd> ConnectDatagram(const InetAddress& remote,
                                 const std::optional<InetAddress>& local);

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
