// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A one-shot timer that any thread may arm: a device register written by a vCPU starts it, the
// callback runs on the loop's thread. Created and destroyed on the loop's thread (or while the loop
// does not run); after destruction the callback does not run. The last Arm() or Cancel() wins.
#pragma once

#include <functional>
#include <memory>

#include "vmm/io/event_loop.h"

namespace davit::io {

class Timer {
 public:
  // The loop must outlive the timer.
  Timer(EventLoop& loop, std::function<void()> fn);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void Arm(Clock::time_point deadline);  // any thread
  void Cancel();                         // any thread; a callback that runs now may still finish

 private:
  struct State;
  static void Update(const std::shared_ptr<State>& state);
  std::shared_ptr<State> state_;
};

}  // namespace davit::io
