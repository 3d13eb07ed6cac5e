// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The host's end of a tap interface that a VMM has made: its address, and a TCP server on it for
// the guest's load (tests/bench/guest/network.h). Needs root. The server has a thread of its own
// and takes one connection at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::bench {

class TapPeer {
 public:
  enum Port : uint16_t { kSink = 7001, kSource = 7002, kEcho = 7003 };

  // The interface goes up with `address` (of a /24). source_ms: how long kSource sends.
  static Result<std::unique_ptr<TapPeer>> Create(const std::string& interface,
                                                 const std::string& address, int source_ms);
  ~TapPeer();  // ends the thread
  TapPeer(const TapPeer&) = delete;
  TapPeer& operator=(const TapPeer&) = delete;

 private:
  TapPeer() = default;
  void Serve();

  UniqueFd listeners_[3];  // by port
  UniqueFd stop_;
  int source_ms_ = 0;
  std::thread thread_;
};

}  // namespace davit::bench
