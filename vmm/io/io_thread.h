// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A named thread that runs an event loop: the iothread object. Constructed and destroyed on the
// control thread; the destructor runs what is posted already, then joins.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <thread>

#include "vmm/base/error.h"
#include "vmm/io/epoll_event_loop.h"
#include "vmm/io/event_loop.h"
#include "vmm/io/poll_budget.h"

namespace davit::io {

class IoThread {
 public:
  // name: what top and gdb show ("IO iothread0"), cut to 15 bytes. Error: the host has no more
  // descriptors or threads for this process.
  static Result<std::unique_ptr<IoThread>> Create(const std::string& name,
                                                  const PollOptions& polling = {});
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  EventLoop& loop() { return loop_; }
  void SetPolling(const PollOptions& polling) { loop_.SetPolling(polling); }
  void SetMaxBatch(int64_t requests) { loop_.SetMaxBatch(requests); }
  pid_t thread_id() const { return thread_id_; }  // as in /proc

 private:
  explicit IoThread(const PollOptions& polling) : loop_(polling) {}
  void Start(const std::string& name);

  EpollEventLoop loop_;
  pid_t thread_id_ = 0;
  std::thread thread_;
};

}  // namespace davit::io
