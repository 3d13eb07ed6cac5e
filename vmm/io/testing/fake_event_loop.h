// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// EventLoop of tests: time stands still until Advance(), posted work runs when the test says so,
// watches fire when the test says so. Post() from any thread, the rest on the test's thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "vmm/io/event_loop.h"

namespace davit::io {

class FakeEventLoop final : public EventLoop {
 public:
  void Post(std::function<void()> fn) override {
    std::lock_guard lock(mutex_);
    posted_.push_back(std::move(fn));
  }
  Result<std::unique_ptr<Registration>> WatchReadable(int fd, std::function<void()> fn) override {
    return Add({fd, false, {}, std::move(fn)});
  }
  Result<std::unique_ptr<Registration>> WatchWritable(int fd, std::function<void()> fn) override {
    return Add({fd, true, {}, std::move(fn)});
  }
  Clock::time_point Now() const override { return now_; }
  std::unique_ptr<Registration> At(Clock::time_point deadline, std::function<void()> fn) override {
    return Add({kTimer, false, deadline, std::move(fn)});
  }
  std::unique_ptr<Registration> AddPoller(Poller& poller) override {
    Entry entry{kPoller, false, {}, nullptr};
    entry.poller = &poller;
    return Add(std::move(entry));
  }
  void Run() override {
    stopped_ = false;
    while (!stopped_ && RunPosted()) {
    }
  }
  void Stop() override {
    Post([this] { stopped_ = true; });
  }

  // Runs all that is posted, also what that posts. False: there was nothing.
  bool RunPosted() {
    bool any = false;
    for (;;) {
      std::function<void()> fn;
      {
        std::lock_guard lock(mutex_);
        if (posted_.empty()) return any;
        fn = std::move(posted_.front());
        posted_.pop_front();
      }
      any = true;
      fn();
    }
  }
  // What is posted and has not run.
  size_t posted() {
    std::lock_guard lock(mutex_);
    return posted_.size();
  }
  // Moves time on and runs the timers that come due, each at its own time, in order.
  void Advance(Clock::duration by) {
    const Clock::time_point end = now_ + by;
    RunPosted();
    for (;;) {
      std::shared_ptr<Entry> due;
      for (auto& entry : Live()) {
        if (entry->fd == kTimer && entry->deadline <= end &&
            (!due || entry->deadline < due->deadline)) {
          due = entry;
        }
      }
      if (!due) break;
      now_ = std::max(now_, due->deadline);
      due->done = true;
      due->fn();
      RunPosted();
    }
    now_ = end;
  }
  // Calls the watches of fd. False: there is none.
  bool FireReadable(int fd) { return Fire(fd, false); }
  bool FireWritable(int fd) { return Fire(fd, true); }
  // One look at the pollers; true: one had work.
  bool Look() {
    bool any = false;
    for (auto& entry : Live()) any = (entry->fd == kPoller && entry->poller->Poll()) || any;
    return any;
  }
  // The loop begins or ends to look instead of sleeping.
  void Spin(bool spinning) {
    for (auto& entry : Live()) {
      if (entry->fd == kPoller) entry->poller->OnSpin(spinning);
    }
  }
  size_t timers() {
    size_t n = 0;
    for (auto& entry : Live()) n += entry->fd == kTimer;
    return n;
  }

 private:
  static constexpr int kTimer = -1, kPoller = -2;
  struct Entry {
    int fd;  // or kTimer, kPoller
    bool writable;
    Clock::time_point deadline;
    std::function<void()> fn;
    bool done = false;
    Poller* poller = nullptr;
  };
  class Handle final : public Registration {
   public:
    explicit Handle(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}
    ~Handle() override { entry_->done = true; }

   private:
    std::shared_ptr<Entry> entry_;
  };

  std::unique_ptr<Registration> Add(Entry entry) {
    auto shared = std::make_shared<Entry>(std::move(entry));
    entries_.push_back(shared);
    return std::make_unique<Handle>(std::move(shared));
  }
  std::vector<std::shared_ptr<Entry>> Live() {
    std::erase_if(entries_, [](const auto& entry) { return entry->done; });
    return entries_;
  }
  bool Fire(int fd, bool writable) {
    bool any = false;
    for (auto& entry : Live()) {
      if (entry->done || entry->fd != fd || entry->writable != writable) continue;
      any = true;
      entry->fn();
    }
    return any;
  }

  Clock::time_point now_ = Clock::time_point() + std::chrono::hours(1);
  std::vector<std::shared_ptr<Entry>> entries_;
  bool stopped_ = false;
  std::mutex mutex_;  // guards posted_
  std::deque<std::function<void()>> posted_;
};

}  // namespace davit::io
