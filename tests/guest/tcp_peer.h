// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The host's end of a TCP connection with a guest, for tests: blocking, with a deadline on each
// call. IPv4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/support/process.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {

class TcpPeer {
 public:
  TcpPeer() = default;
  explicit TcpPeer(UniqueFd fd);
  // Not connected: nobody answers there.
  static TcpPeer Connect(const std::string& address, uint16_t port);

  bool connected() const { return static_cast<bool>(fd_); }
  // All of it. False: the peer went or did not read.
  bool Send(const std::string& bytes);
  // So many bytes, fewer when the peer ends; or all until it ends.
  std::string Receive(size_t bytes);
  std::string ReceiveAll() { return Receive(SIZE_MAX); }

 private:
  UniqueFd fd_;
};

class TcpListener {
 public:
  TcpListener();  // on all addresses, a port of the system's choice
  uint16_t port() const { return port_; }
  // Not connected: nobody came in time.
  TcpPeer Accept(milliseconds timeout);

 private:
  UniqueFd fd_;
  uint16_t port_ = 0;
};

// A port of 127.0.0.1 that is free now.
uint16_t FreeTcpPort();

}  // namespace davit::testing
