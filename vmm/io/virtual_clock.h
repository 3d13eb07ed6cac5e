// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// An event loop whose clock is stepped by hand: Now() and At() are a virtual clock that starts at 0
// and stands still until AdvanceTo(); descriptors and posted work are the loop's underneath. Posted
// work can be run at once (Settle), so that who steps the clock sees all that a step has caused.
// All calls on the loop's thread, except Post(), Now() and Stop().
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "vmm/io/event_loop.h"

namespace davit::io {

class VirtualClockLoop final : public EventLoop {
 public:
  // base outlives this; what is posted and not run when this dies is dropped.
  explicit VirtualClockLoop(EventLoop& base);
  ~VirtualClockLoop() override;

  void Post(std::function<void()> fn) override;
  Result<std::unique_ptr<Registration>> WatchReadable(int fd, std::function<void()> fn) override;
  Result<std::unique_ptr<Registration>> WatchWritable(int fd, std::function<void()> fn) override;
  Clock::time_point Now() const override {
    return Clock::time_point(std::chrono::nanoseconds(now_ns()));
  }
  std::unique_ptr<Registration> At(Clock::time_point deadline, std::function<void()> fn) override;
  void Run() override { base_.Run(); }
  void Stop() override { base_.Stop(); }

  // --- for whoever steps the clock ---
  int64_t now_ns() const { return now_ns_.load(std::memory_order_relaxed); }
  // When the next timer is due; nullopt: there is none, or timers are held.
  std::optional<int64_t> NextDeadline() const;
  // Moves the clock on to `ns` and runs the timers that come due, each at its own time, in order,
  // with what they post. A time in the past: no effect.
  void AdvanceTo(int64_t ns);
  // Runs what has been posted, and what that posts, up to a limit.
  void Settle();
  // A stopped guest: the clock can be moved, but timers wait until they are no longer held.
  void HoldTimers(bool hold);

 private:
  struct Timer {
    std::function<void()> fn;  // empty: cancelled
  };
  class Handle;
  using Timers = std::multimap<int64_t, std::shared_ptr<Timer>>;
  // Work that was posted; shared with what the loop underneath still holds.
  struct Posted {
    std::mutex mutex;
    std::deque<std::function<void()>> queue;
    // Runs the oldest; false: there was none.
    bool RunOne();
  };

  void RunDue(int64_t until);

  EventLoop& base_;
  std::atomic<int64_t> now_ns_{0};
  bool held_ = false;
  std::shared_ptr<Timers> timers_ = std::make_shared<Timers>();  // by deadline
  std::shared_ptr<Posted> posted_ = std::make_shared<Posted>();
};

}  // namespace davit::io
