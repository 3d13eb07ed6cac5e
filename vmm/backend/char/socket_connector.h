// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Connecting that does not wait: the addresses of a peer, tried one after the other on the loop.
// Owner: the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "vmm/backend/char/socket_address.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

class SocketConnector {
 public:
  // The connected socket, non-blocking; or none, and the errno of the last address.
  using Done = std::function<void(UniqueFd fd, int error)>;

  SocketConnector(io::EventLoop& loop, std::vector<Endpoint> endpoints, Done done)
      : loop_(loop), endpoints_(std::move(endpoints)), done_(std::move(done)) {}

  // From the first address on; also once more, after the end. 0: `done` is called later. Else
  // nothing is under way, and this is the errno of the last address.
  int Start();

 private:
  int TryFrom(size_t index, int error);
  void OnWritable(size_t index);

  io::EventLoop& loop_;
  const std::vector<Endpoint> endpoints_;
  const Done done_;
  UniqueFd fd_;
  std::unique_ptr<io::Registration> watch_;
};

}  // namespace davit::backend
