// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See udp_chardev.h.
#include "vmm/backend/char/udp_chardev.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "vmm/backend/char/socket_address.h"

namespace davit::backend {
namespace {

constexpr size_t kMaxDatagram = 65536;

}  // namespace

Result<std::unique_ptr<Chardev>> UdpChardev::Open(std::string id, io::EventLoop& loop,
                                                  const UdpSpec& spec) {
  DAVIT_ASSIGN(UniqueFd socket, ConnectDatagram(spec.remote, spec.local));
  return std::unique_ptr<Chardev>(new UdpChardev(std::move(id), loop, std::move(socket)));
}

UdpChardev::UdpChardev(std::string id, io::EventLoop& loop, UniqueFd socket)
    : FdChardev(std::move(id), loop), socket_(std::move(socket)), datagram_(kMaxDatagram) {
  SetNonBlocking(socket_.get());
  Connect(socket_.get(), socket_.get());
}

ssize_t UdpChardev::WriteSome(int fd, std::span<const std::byte> data) {
  const ssize_t n = send(fd, data.data(), data.size(), MSG_DONTWAIT);
  // What the network said of an earlier datagram ("connection refused") says nothing of the next.
  if (n < 0 && errno != EAGAIN && errno != EINTR) return static_cast<ssize_t>(data.size());
  return n;
}

ssize_t UdpChardev::ReadSome(int fd, std::span<std::byte> data) {
  const ssize_t n = recv(fd, datagram_.data(), datagram_.size(), MSG_PEEK | MSG_DONTWAIT);
  size_t count = 0;
  if (n >= 0) {
    const size_t length = static_cast<size_t>(n);
    count = std::min(data.size(), length - std::min(taken_, length));
    std::copy_n(datagram_.data() + taken_, count, data.data());
    taken_ += count;
    if (taken_ >= length) {
      taken_ = 0;
      (void)recv(fd, datagram_.data(), 0, MSG_DONTWAIT);
    }
  }
  if (count == 0) errno = EAGAIN;  // an empty datagram, or what the network said
  return count == 0 ? -1 : static_cast<ssize_t>(count);
}

}  // namespace davit::backend
