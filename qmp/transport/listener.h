// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Accepts clients on one listening socket. When descriptors run out it pauses for a moment instead
// of spinning. Owner: control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::qmp {

class Listener final : public std::enable_shared_from_this<Listener> {
 public:
  using Accepted = std::function<void(UniqueFd client)>;

  Listener(boost::asio::io_context& io, UniqueFd fd, Accepted accepted);

  // Serves from now on.
  void Start();
  void Stop();
  int fd() { return socket_.native_handle(); }

  // Accepts one client if one is there now; empty: none.
  Result<UniqueFd> AcceptOne();
  void Hand(UniqueFd client) { accepted_(std::move(client)); }

 private:
  static constexpr int kClientsPerTurn = 16;

  void Turn();
  void Pause();

  boost::asio::posix::stream_descriptor socket_;
  boost::asio::steady_timer pause_;
  Accepted accepted_;
  bool open_ = true;
  bool failing_ = false;  // the last accept was an error
};

}  // namespace davit::qmp
