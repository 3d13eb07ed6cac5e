// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The rounds of announce-self: the first at once, the next after `initial` milliseconds, each wait
// `step` longer than the one before and none longer than `max`. Owner: control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "vmm/control/net_control.h"
#include "vmm/io/event_loop.h"

namespace davit::machine {

class Announcer {
 public:
  // announce: one round; the request tells of whom.
  Announcer(io::EventLoop& loop, std::function<void(const control::AnnounceRequest&)> announce)
      : loop_(loop), announce_(std::move(announce)) {}

  // As control::NetControl::Announce().
  Status Start(const control::AnnounceRequest& request);

 private:
  struct Series {
    control::AnnounceRequest request;
    int64_t done = 0;  // rounds
    std::unique_ptr<io::Registration> timer;
  };
  void Round(const std::string& id);

  io::EventLoop& loop_;
  const std::function<void(const control::AnnounceRequest&)> announce_;
  std::map<std::string, Series> series_;  // by id
};

}  // namespace davit::machine
