// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// EventLoop of an iothread object, made for few system calls: a kick costs one epoll_wait beside
// the callback's own, and before it sleeps the loop looks at its pollers for as long as that has
// been worth it (poll_budget.h). A deadline is a timerfd in the same epoll set.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "vmm/io/event_loop.h"
#include "vmm/io/poll_budget.h"

namespace davit::io {

class EpollEventLoop final : public EventLoop {
 public:
  // Throws std::system_error when the process is out of descriptors.
  explicit EpollEventLoop(const PollOptions& polling = {});
  // On the loop's thread, or when no thread runs it. Registrations may outlive the loop.
  ~EpollEventLoop() override;

  // From the loop's next turn on. Any thread.
  void SetPolling(const PollOptions& polling);
  // What max_batch() answers. Any thread.
  void SetMaxBatch(int64_t requests) { max_batch_ = requests; }
  int64_t max_batch() const override { return max_batch_; }
  void Post(std::function<void()> fn) override;
  Result<std::unique_ptr<Registration>> WatchReadable(int fd, std::function<void()> fn) override;
  Result<std::unique_ptr<Registration>> WatchWritable(int fd, std::function<void()> fn) override;
  // Edge-triggered, so that nobody need read it: a system call less a signal.
  Result<std::unique_ptr<Registration>> WatchSignals(int event_fd,
                                                     std::function<void()> fn) override;
  std::unique_ptr<Registration> At(Clock::time_point deadline, std::function<void()> fn) override;
  std::unique_ptr<Registration> AddPoller(Poller& poller) override;
  // Runs until Stop(), also when there is nothing to wait for.
  void Run() override;
  // What is posted already runs before.
  void Stop() override;

  // One turn: what is posted, timers, pollers, descriptors; waits at most `limit` for any of them.
  // False: nothing came. For tests and for waiting in a loop of one's own.
  bool RunOne(Clock::duration limit);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
  std::atomic<int64_t> max_batch_ = 0;
};

}  // namespace davit::io
