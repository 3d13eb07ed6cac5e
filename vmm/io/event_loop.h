// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// An event loop: one thread that runs callbacks for descriptors, timers and posted work.
// The control thread runs one (daemon/ wraps its io_context, asio_event_loop.h), each iothread
// object another (epoll_event_loop.h).
// All calls on the loop's thread, except Post() and Stop(), which any thread may make.
// Exceptions never leave a callback.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "vmm/base/error.h"

namespace davit::io {

using Clock = std::chrono::steady_clock;

// Handle of a watch or a timer: cancels it when destroyed. After destruction on the loop's thread
// the callback does not run again.
class Registration {
 public:
  virtual ~Registration() = default;
};

// Work that can be seen in memory where the other side would else have to signal it: requests in a
// ring of the guest's, completions in one of the kernel's.
class Poller {
 public:
  virtual ~Poller() = default;
  // Looks once; costs next to nothing where nothing is new. True: there was work, it is done.
  virtual bool Poll() = 0;
  // The loop begins (true) to look again and again, so that the other side need not signal, or ends
  // it (false) because it is about to sleep. It looks once more after the end.
  virtual void OnSpin(bool spinning) { (void)spinning; }
};

class EventLoop {
 public:
  virtual ~EventLoop() = default;
  // Runs fn on the loop's thread, after what is already queued.
  virtual void Post(std::function<void()> fn) = 0;
  // Calls fn each time fd is readable (writable), level-triggered, until the handle dies. The fd
  // stays the caller's and must outlive the handle.
  virtual Result<std::unique_ptr<Registration>> WatchReadable(int fd, std::function<void()> fn) = 0;
  virtual Result<std::unique_ptr<Registration>> WatchWritable(int fd, std::function<void()> fn) = 0;
  // Calls fn when the eventfd (non-blocking) was signalled, once for all signals since the last
  // call. Nobody else reads it; its count is the loop's business.
  virtual Result<std::unique_ptr<Registration>> WatchSignals(int event_fd,
                                                             std::function<void()> fn);
  // The loop's clock: what deadlines of At() are measured on. Any thread.
  virtual Clock::time_point Now() const { return Clock::now(); }
  // Calls fn once at the deadline.
  virtual std::unique_ptr<Registration> At(Clock::time_point deadline,
                                           std::function<void()> fn) = 0;
  // Lets the loop look at `poller` before it sleeps, until the handle dies; the poller outlives it.
  // A help and no promise: null where the loop never looks, so descriptors are watched all the
  // same.
  virtual std::unique_ptr<Registration> AddPoller(Poller& poller) {
    (void)poller;
    return nullptr;
  }
  // The most requests that a user of the loop hands to the kernel in one call. 0: as many as it
  // has. Any thread.
  virtual int64_t max_batch() const { return 0; }
  // Runs until Stop().
  virtual void Run() = 0;
  virtual void Stop() = 0;
};

}  // namespace davit::io
