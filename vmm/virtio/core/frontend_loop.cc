// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Frontend, the part between the device's event loop and the other threads: kicks, doorbells,
// stopping and resetting with requests in flight.
#include <sys/eventfd.h>
#include <unistd.h>

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
  if (queue.external) {
    const uint64_t one = 1;
    (void)!write(loop_side_->kicks[index].fd.get(), &one, sizeof(one));  // full: it is signalled
    return;
  }
  if (!Serves(queue)) return;
  if (!running_) {
    queue.kicked = true;
    return;
  }
  device_->HandleQueue(index);
}

bool Frontend::Serves(const Queue& queue) const {
  return active_ && !(status_ & kStatusNeedsReset) && !queue.external && queue.ring &&
         !queue.ring->stopped();
}

bool Frontend::LoopSide::Poll() {
  const std::lock_guard lock(gate);
  return owner != nullptr && owner->PollQueues();
}

void Frontend::LoopSide::OnSpin(bool spinning) {
  const std::lock_guard lock(gate);
  if (owner != nullptr) owner->SetPolled(spinning);
}

bool Frontend::PollQueues() {
  const std::lock_guard lock(mutex_);
  bool any = false;
  for (size_t i = 0; i < queues_.size(); ++i) {
    Queue& queue = queues_[i];
    if (!Serves(queue) || !queue.ring->TakeKick()) continue;
    if (!running_) {
      queue.kicked = true;
      continue;
    }
    device_->HandleQueue(static_cast<uint16_t>(i));
    any = true;
  }
  return any;
}

void Frontend::SetPolled(bool polled) {
  const std::lock_guard lock(mutex_);
  for (const Queue& queue : queues_) {
    if (Serves(queue)) queue.ring->SetPolled(polled);
  }
}

Result<int> Frontend::KickFd(uint16_t index) {
  DAVIT_CHECK(Exists(index));
  const std::lock_guard lock(mutex_);
  return KickFdLocked(index);
}

Result<int> Frontend::KickFdLocked(uint16_t index) {
  UniqueFd& fd = loop_side_->kicks[index].fd;
  if (fd) return fd.get();
  fd.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return FailErrno("eventfd of a virtqueue");
  PostToLoop([this, index] { WatchKicks(index); });
  return fd.get();
}

void Frontend::WatchKicks(uint16_t index) {
  LoopSide::Eventfd& kick = loop_side_->kicks[index];
  if (kick.watch) return;
  auto watch = loop_.WatchSignals(kick.fd.get(), [weak = std::weak_ptr(loop_side_), index] {
    const auto side = weak.lock();
    if (!side) return;
    const std::lock_guard gate(side->gate);
    if (side->owner != nullptr) side->owner->OnKickFd(index);
  });
  if (watch) {
    kick.watch = std::move(*watch);
  } else {
    const std::lock_guard lock(mutex_);
    NeedsReset(watch.error().message);
  }
}

void Frontend::OnKickFd(uint16_t index) {
  LoopSide::Eventfd& kick = loop_side_->kicks[index];
  {
    const std::lock_guard lock(mutex_);
    if (queues_[index].external) {
      kick.watch.reset();                     // until the reset
      (void)eventfd_write(kick.fd.get(), 1);  // this one is the kernel's, too
      return;
    }
  }
  Serve(index);
}

Result<int> Frontend::TakeKicks(uint16_t index) {
  DAVIT_CHECK(Exists(index));
  DAVIT_ASSIGN(const int fd, KickFdLocked(index));
  queues_[index].external = true;
  return fd;
}

Result<int> Frontend::InterruptFd(uint16_t index) {
  DAVIT_CHECK(Exists(index));
  UniqueFd& fd = loop_side_->calls[index].fd;
  if (fd) return fd.get();
  fd.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd) return FailErrno("eventfd of a virtqueue's interrupt");
  PostToLoop([this, index] { WatchCalls(index); });
  return fd.get();
}

void Frontend::WatchCalls(uint16_t index) {
  LoopSide::Eventfd& call = loop_side_->calls[index];
  const int fd = call.fd.get();
  auto watch = loop_.WatchSignals(fd, [weak = std::weak_ptr(loop_side_), index] {
    const auto side = weak.lock();
    if (!side) return;
    const std::lock_guard gate(side->gate);
    if (side->owner == nullptr) return;
    if (DeviceInterrupts* interrupts = side->owner->interrupts_) interrupts->RaiseQueue(index);
  });
  if (watch) {
    call.watch = std::move(*watch);
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

void Frontend::WhileQuiet(const std::function<void()>& fn) {
  bool running;
  {
    const std::lock_guard lock(mutex_);
    running = running_;
  }
  OnRunning(false);
  fn();
  OnRunning(running);
}

}  // namespace davit::virtio
