// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Frontend, the part between the device's event loop and the other threads: kicks, doorbells,
// stopping and resetting with requests in flight.
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/core/frontend.h"

namespace davit::virtio {

void Frontend::PostToLoop(std::function<void()> fn) {
  loop_.Post([side = loop_side_, fn = std::move(fn)] {
    const std::lock_guard gate(side->gate);
    if (side->owner == nullptr) return;
    side->owner->loop_thread_ = std::this_thread::get_id();
    fn();
  });
}

void Frontend::RunOnLoop(const std::function<void()>& fn) {
  const std::thread::id loop_thread = loop_thread_;
  if (loop_thread == std::thread::id() || loop_thread == std::this_thread::get_id()) {
    fn();
    return;
  }
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  loop_.Post([&] {
    fn();
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
}

void Frontend::PostServe(uint16_t index) {
  if (queues_[index].posted.exchange(true)) return;
  PostToLoop([this, index] {
    queues_[index].posted = false;
    Serve(index);
  });
}

void Frontend::KickLater(uint16_t index) {
  if (Exists(index)) PostServe(index);
}

void Frontend::Kick(uint16_t index) {
  if (!Exists(index)) return;
  if (loop_thread_.load() == std::this_thread::get_id()) {
    Serve(index);
  } else {
    PostServe(index);
  }
}

void Frontend::Serve(uint16_t index) {
  const std::lock_guard lock(mutex_);
  Queue& queue = queues_[index];
  if (!active_ || (status_ & kStatusNeedsReset) || !queue.ring || queue.ring->stopped()) return;
  if (!running_) {
    queue.kicked = true;
    return;
  }
  device_->HandleQueue(index);
}

Result<int> Frontend::KickFd(uint16_t index) {
  DAVIT_CHECK(Exists(index));
  {
    const std::lock_guard lock(mutex_);
    UniqueFd& fd = loop_side_->fds[index];
    if (fd) return fd.get();
    fd.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd) return FailErrno("eventfd of a virtqueue");
  }
  PostToLoop([this, index] { Watch(index); });
  return loop_side_->fds[index].get();
}

void Frontend::Watch(uint16_t index) {
  const int fd = loop_side_->fds[index].get();
  auto watch = loop_.WatchReadable(fd, [weak = std::weak_ptr(loop_side_), index, fd] {
    const auto side = weak.lock();
    if (!side) return;
    const std::lock_guard gate(side->gate);
    if (side->owner == nullptr) return;
    uint64_t count;
    if (read(fd, &count, sizeof(count)) < 0 && errno == EAGAIN) return;
    side->owner->Serve(index);
  });
  if (watch) {
    loop_side_->watches.push_back(std::move(*watch));
  } else {
    const std::lock_guard lock(mutex_);
    NeedsReset(watch.error().message);
  }
}

void Frontend::Quiesce() {
  {
    const std::lock_guard lock(mutex_);
    if (!resetting_) StartReset();
    if (!resetting_) return;
  }
  RunOnLoop([this] { device_->Drain(); });
  std::unique_lock lock(mutex_);
  // Drain() on the loop's thread ends what is in flight; elsewhere the loop may still be at it.
  const std::thread::id loop_thread = loop_thread_;
  if (loop_thread == std::thread::id() || loop_thread == std::this_thread::get_id()) {
    DAVIT_CHECK(!resetting_);
  }
  reset_done_.wait(lock, [this] { return !resetting_; });
}

void Frontend::OnRunning(bool running) {
  {
    const std::lock_guard lock(mutex_);
    if (running == running_) return;
    running_ = running;
    device_->OnRunning(running);
    for (size_t i = 0; running && i < queues_.size(); ++i) {
      if (std::exchange(queues_[i].kicked, false)) PostServe(static_cast<uint16_t>(i));
    }
  }
  if (!running) RunOnLoop([this] { device_->Drain(); });
}

}  // namespace davit::virtio
