// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers that a guest changes on a vCPU thread or an I/O thread, told on the control thread. One
// at most is on its way and tells the last value, however often the guest changes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "vmm/io/event_loop.h"

namespace davit::machine {

// A function for any thread that has `tell` called on `loop`, which outlives it.
inline std::function<void(uint64_t)> TellLastValue(io::EventLoop& loop,
                                                   std::function<void(uint64_t)> tell) {
  struct Change {
    std::function<void(uint64_t)> tell;
    std::atomic<uint64_t> value{0};
    std::atomic<bool> posted{false};
  };
  auto change = std::make_shared<Change>();
  change->tell = std::move(tell);
  return [&loop, change = std::move(change)](uint64_t value) {
    change->value = value;
    if (change->posted.exchange(true)) return;
    loop.Post([change] {
      change->posted = false;
      change->tell(change->value);
    });
  };
}

}  // namespace davit::machine
