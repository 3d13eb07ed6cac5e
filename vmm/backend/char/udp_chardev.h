// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Datagrams as a back end: what the guest sends at once is one datagram, what comes from the one
// peer is handed on as fast as the guest takes it. Datagrams that find no room in the socket, or no
// peer, are lost, as is the way of UDP. Owner: control thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vmm/backend/char/fd_chardev.h"
#include "vmm/backend/char/spec.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

class UdpChardev final : public FdChardev {
 public:
  static Result<std::unique_ptr<Chardev>> Open(std::string id, io::EventLoop& loop,
                                               const UdpSpec& spec);
  ~UdpChardev() override { Disconnect(); }
  std::string filename() const override { return "udp"; }

 private:
  UdpChardev(std::string id, io::EventLoop& loop, UniqueFd socket);
  void OnHangup() override {}
  ssize_t WriteSome(int fd, std::span<const std::byte> data) override;
  // The datagram stays in the socket until the guest has taken it whole.
  ssize_t ReadSome(int fd, std::span<std::byte> data) override;

  UniqueFd socket_;
  std::vector<std::byte> datagram_;
  size_t taken_ = 0;  // bytes of the socket's first datagram
};

}  // namespace davit::backend
