// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Threads for system calls that block: what io_uring does not do or the host does not offer.
// Threads are made as work comes, up to a limit, and live as long as the pool. Post() on any
// thread; construction and destruction on the control thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace davit::backend {

class WorkerPool {
 public:
  explicit WorkerPool(unsigned max_threads = 64) : max_threads_(max_threads) {}
  ~WorkerPool();  // runs what is posted, then joins
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // When no thread can be made and none is there, the work runs at once on the caller's thread.
  void Post(std::function<void()> work);

 private:
  void Run();

  const unsigned max_threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> work_;
  std::vector<std::thread> threads_;
  unsigned idle_ = 0;
  bool stop_ = false;
};

}  // namespace davit::backend
