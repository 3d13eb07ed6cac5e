// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See worker_pool.h.
#include "vmm/backend/block/worker_pool.h"

#include <pthread.h>

#include <csignal>
#include <system_error>

namespace davit::backend {

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Post(std::function<void()> work) {
  std::unique_lock lock(mutex_);
  if (idle_ <= work_.size() && threads_.size() < max_threads_) {
    // Signals are for the control thread, but for SIGBUS.
    sigset_t all, old;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    try {
      threads_.emplace_back([this] { Run(); });
    } catch (const std::system_error&) {
    }
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
    if (threads_.empty()) {
      lock.unlock();
      work();
      return;
    }
  }
  work_.push_back(std::move(work));
  lock.unlock();
  wake_.notify_one();
}

void WorkerPool::Run() {
  pthread_setname_np(pthread_self(), "worker");
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stop_ || !work_.empty(); });
    --idle_;
    if (work_.empty()) return;
    std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace davit::backend
