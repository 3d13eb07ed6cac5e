// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// An event loop: one thread that runs callbacks for descriptors, timers and posted work.
// The control thread runs one (daemon/ wraps its io_context), each iothread object another.
// All calls on the loop's thread, except Post() and Stop(), which any thread may make.
// Exceptions never leave a callback.
#pragma once

#include <chrono>
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

class EventLoop {
 public:
  virtual ~EventLoop() = default;
  // Runs fn on the loop's thread, after what is already queued.
  virtual void Post(std::function<void()> fn) = 0;
  // Calls fn each time fd is readable (writable), level-triggered, until the handle dies. The fd
  // stays the caller's and must outlive the handle.
  virtual Result<std::unique_ptr<Registration>> WatchReadable(int fd, std::function<void()> fn) = 0;
  virtual Result<std::unique_ptr<Registration>> WatchWritable(int fd, std::function<void()> fn) = 0;
  // The loop's clock: what deadlines of At() are measured on. Any thread.
  virtual Clock::time_point Now() const { return Clock::now(); }
  // Calls fn once at the deadline.
  virtual std::unique_ptr<Registration> At(Clock::time_point deadline,
                                           std::function<void()> fn) = 0;
  // Runs until Stop().
  virtual void Run() = 0;
  virtual void Stop() = 0;
};

}  // namespace davit::io
