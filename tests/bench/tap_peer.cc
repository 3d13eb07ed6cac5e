// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See tap_peer.h.
#include "tests/bench/tap_peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <vector>

#include "tests/bench/interface.h"

namespace davit::bench {
namespace {

using Clock = std::chrono::steady_clock;

Result<UniqueFd> Listen(const std::string& address, uint16_t port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in in = Ipv4(address, port);
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&in), sizeof in) != 0 ||
      listen(fd.get(), 4) != 0) {
    return FailErrno("listening on " + address);
  }
  return fd;
}

void Sink(int fd) {
  std::vector<char> buffer(1 << 18);
  while (read(fd, buffer.data(), buffer.size()) > 0) {
  }
}

void Source(int fd, int ms) {
  const std::vector<char> buffer(1 << 18, 'y');
  const auto end = Clock::now() + std::chrono::milliseconds(ms);
  while (Clock::now() < end && send(fd, buffer.data(), buffer.size(), MSG_NOSIGNAL) > 0) {
  }
}

void Echo(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  char byte;
  while (read(fd, &byte, 1) == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1) {
  }
}

}  // namespace

Result<std::unique_ptr<TapPeer>> TapPeer::Create(const std::string& interface,
                                                 const std::string& address, int source_ms) {
  if (const char* failed = BringUp(interface, address)) {
    return FailErrno(std::string(failed) + " of " + interface);
  }
  std::unique_ptr<TapPeer> peer(new TapPeer);
  peer->source_ms_ = source_ms;
  for (uint16_t i = 0; i < 3; ++i) {
    DAVIT_ASSIGN(peer->listeners_[i], Listen(address, static_cast<uint16_t>(kSink + i)));
  }
  peer->stop_.reset(eventfd(0, EFD_CLOEXEC));
  if (!peer->stop_) return FailErrno("eventfd");
  peer->thread_ = std::thread([raw = peer.get()] { raw->Serve(); });
  return peer;
}

TapPeer::~TapPeer() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void TapPeer::Serve() {
  for (;;) {
    pollfd fds[4] = {{stop_.get(), POLLIN, 0}};
    for (size_t i = 0; i < 3; ++i) fds[i + 1] = {listeners_[i].get(), POLLIN, 0};
    if (poll(fds, 4, -1) < 0) continue;
    if (fds[0].revents != 0) return;
    for (size_t i = 0; i < 3; ++i) {
      if (fds[i + 1].revents == 0) continue;
      const UniqueFd connection(accept4(listeners_[i].get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) continue;
      switch (kSink + i) {
        case kSink:
          Sink(connection.get());
          break;
        case kSource:
          Source(connection.get(), source_ms_);
          break;
        default:
          Echo(connection.get());
      }
    }
  }
}

}  // namespace davit::bench
