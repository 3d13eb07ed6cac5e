// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "tests/guest/tcp_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <utility>

namespace davit::testing {
namespace {

constexpr timeval kCallTime{90, 0};

UniqueFd NewSocket() { return UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

const sockaddr* Any(const sockaddr_in& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

// Binds to a port of the system's choice; 0 on failure.
uint16_t BindAny(int fd, in_addr_t address) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(address);
  socklen_t size = sizeof(name);
  if (bind(fd, Any(name), size) != 0) return 0;
  if (getsockname(fd, static_cast<sockaddr*>(static_cast<void*>(&name)), &size) != 0) return 0;
  return ntohs(name.sin_port);
}

}  // namespace

TcpPeer::TcpPeer(UniqueFd fd) : fd_(std::move(fd)) {
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &kCallTime, sizeof(kCallTime));
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &kCallTime, sizeof(kCallTime));
}

TcpPeer TcpPeer::Connect(const std::string& address, uint16_t port) {
  TcpPeer peer{NewSocket()};
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &name.sin_addr) != 1 ||
      connect(peer.fd_.get(), Any(name), sizeof(name)) != 0) {
    return {};
  }
  return peer;
}

bool TcpPeer::Send(const std::string& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t n = send(fd_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

std::string TcpPeer::Receive(size_t bytes) {
  std::string got;
  std::array<char, 65536> buffer{};
  while (got.size() < bytes) {
    const ssize_t n =
        recv(fd_.get(), buffer.data(), std::min(buffer.size(), bytes - got.size()), 0);
    if (n <= 0) break;
    got.append(buffer.data(), static_cast<size_t>(n));
  }
  return got;
}

TcpListener::TcpListener() : fd_(NewSocket()) {
  port_ = BindAny(fd_.get(), INADDR_ANY);
  listen(fd_.get(), 1);
}

TcpPeer TcpListener::Accept(milliseconds timeout) {
  pollfd waiting{fd_.get(), POLLIN, 0};
  if (poll(&waiting, 1, static_cast<int>(timeout.count())) <= 0) return {};
  return TcpPeer(UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
}

uint16_t FreeTcpPort() {
  const UniqueFd probe = NewSocket();
  return BindAny(probe.get(), INADDR_LOOPBACK);
}

}  // namespace davit::testing
