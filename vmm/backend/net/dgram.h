// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// NetBackend over a datagram socket, a frame a datagram: -netdev dgram, and socket with udp=,
// mcast= or a datagram fd=. See net_backend.h for threads and contract.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/backend/char/spec.h"
#include "vmm/backend/net/net_backend.h"
#include "vmm/base/socket_file.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

struct DgramSpec {
  // Where frames go: an address, or a multicast group. nullopt: the socket of fd is connected.
  std::optional<std::variant<UnixAddress, InetAddress>> remote;
  // Where they come from; multicast: the address of the interface.
  std::optional<std::variant<UnixAddress, InetAddress>> local;
  int fd = -1;  // taken over; -1: none
};

class NetDgram final : public NetBackend {
 public:
  static Result<std::unique_ptr<NetDgram>> Open(std::string id, const char* type,
                                                const DgramSpec& spec, io::EventLoop& loop);

  const std::string& id() const override { return id_; }
  const char* type() const override { return type_; }
  std::string info() const override { return info_; }

  Status Attach(NetClient* client, io::EventLoop& loop) override;
  SendResult Send(unsigned queue, std::span<const iovec> frame) override;
  size_t Receive(unsigned queue, std::span<const iovec> out) override;
  void StopReceiving(unsigned queue) override;
  void StartReceiving(unsigned queue) override;

 private:
  NetDgram(std::string id, const char* type, io::EventLoop& loop)
      : id_(std::move(id)), type_(type), loop_(loop) {}
  Status Make(const DgramSpec& spec);
  Status MakeMulticast(const sockaddr_in& group, const DgramSpec& spec);

  const std::string id_;
  const char* const type_;
  io::EventLoop& loop_;
  std::string info_;
  UniqueFd socket_;
  std::vector<std::byte> remote_;  // a sockaddr; empty: connected
  SocketFile socket_file_;         // UNIX
  std::unique_ptr<io::Registration> read_watch_, write_watch_;
  NetClient* client_ = nullptr;
};

}  // namespace davit::backend
