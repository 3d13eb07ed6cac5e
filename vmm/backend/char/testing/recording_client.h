// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// ChardevClient of tests: keeps what it receives, with a limit on how much it takes. One thread.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "vmm/backend/char/chardev.h"

namespace davit::backend {

class RecordingClient final : public ChardevClient {
 public:
  size_t CanReceive() override { return limit - std::min(limit, received.size()); }
  void Receive(std::span<const std::byte> data) override {
    for (std::byte b : data) received += static_cast<char>(b);
  }
  void OnEvent(ChardevEvent event) override { events.push_back(event); }

  size_t limit = 1 << 20;  // bytes, in all
  std::string received;
  std::vector<ChardevEvent> events;
};

}  // namespace davit::backend
