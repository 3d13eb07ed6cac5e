// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// EventLoop on Boost.Asio. Either owns its io_context or wraps the one of the daemon, whose run()
// then drives it. Descriptors are watched by one epoll set of the loop (epoll_set.h), which Asio
// sees as one descriptor: Asio alone would switch each watched fd to O_NONBLOCK, and the terminal
// behind stdin is shared with other processes.
#pragma once

#include <functional>
#include <memory>

#include "vmm/io/event_loop.h"

namespace boost::asio {
class io_context;
}  // namespace boost::asio

namespace davit::io {

class AsioEventLoop final : public EventLoop {
 public:
  // Both throw std::system_error when the process is out of descriptors.
  AsioEventLoop();
  // The io_context must outlive the loop; the loop is used on the thread that runs it.
  explicit AsioEventLoop(boost::asio::io_context& context);
  // On the loop's thread, or when no thread runs it. Registrations may outlive the loop.
  ~AsioEventLoop() override;

  void Post(std::function<void()> fn) override;
  Result<std::unique_ptr<Registration>> WatchReadable(int fd, std::function<void()> fn) override;
  Result<std::unique_ptr<Registration>> WatchWritable(int fd, std::function<void()> fn) override;
  std::unique_ptr<Registration> At(Clock::time_point deadline, std::function<void()> fn) override;
  // Runs until Stop(), also when there is nothing to wait for.
  void Run() override;
  // What is posted already runs before.
  void Stop() override;

  // Runs one step (a posted function, a timer, or the descriptors that are ready); waits at most
  // `limit` for it. False: nothing came. For tests and for waiting in a loop of one's own.
  bool RunOne(Clock::duration limit);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace davit::io
