// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A clock that runs only while the guest does (-rtc clock=vm). Now() on any thread, Run() on the
// control thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace davit::machine {

class VmClock {
 public:
  // Nanoseconds that the guest has run.
  int64_t Now() const {
    const int64_t offset = offset_.load();
    return offset < 0 ? Host() + offset : offset;
  }
  void Run(bool on) {
    const int64_t offset = offset_.load();
    if (on == (offset < 0)) return;
    // Running: -(host time at which the clock was 0), which is negative; else the time itself.
    offset_.store(on ? offset - Host() : Host() + offset);
  }

 private:
  static int64_t Host() {
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
  std::atomic<int64_t> offset_{0};
};

}  // namespace davit::machine
