// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See virtual_clock.h.
#include "vmm/io/virtual_clock.h"

#include <algorithm>
#include <utility>

namespace davit::io {
namespace {

// Work that posts itself again and again shall not keep the loop for ever.
constexpr int kMostAtOnce = 10'000;

}  // namespace

class VirtualClockLoop::Handle final : public Registration {
 public:
  Handle(std::weak_ptr<Timers> timers, std::shared_ptr<Timer> timer, int64_t deadline)
      : timers_(std::move(timers)), timer_(std::move(timer)), deadline_(deadline) {}
  ~Handle() override {
    timer_->fn = nullptr;
    const auto timers = timers_.lock();
    if (!timers) return;
    const auto [first, last] = timers->equal_range(deadline_);
    const auto it = std::find_if(first, last, [this](const auto& t) { return t.second == timer_; });
    if (it != last) timers->erase(it);
  }

 private:
  std::weak_ptr<Timers> timers_;
  std::shared_ptr<Timer> timer_;
  const int64_t deadline_;
};

bool VirtualClockLoop::Posted::RunOne() {
  std::function<void()> fn;
  {
    const std::lock_guard lock(mutex);
    if (queue.empty()) return false;
    fn = std::move(queue.front());
    queue.pop_front();
  }
  fn();
  return true;
}

VirtualClockLoop::VirtualClockLoop(EventLoop& base) : base_(base) {}

VirtualClockLoop::~VirtualClockLoop() {
  const std::lock_guard lock(posted_->mutex);
  posted_->queue.clear();
}

void VirtualClockLoop::Post(std::function<void()> fn) {
  {
    const std::lock_guard lock(posted_->mutex);
    posted_->queue.push_back(std::move(fn));
  }
  base_.Post([posted = posted_] { posted->RunOne(); });
}

Result<std::unique_ptr<Registration>> VirtualClockLoop::WatchReadable(int fd,
                                                                      std::function<void()> fn) {
  return base_.WatchReadable(fd, std::move(fn));
}

Result<std::unique_ptr<Registration>> VirtualClockLoop::WatchWritable(int fd,
                                                                      std::function<void()> fn) {
  return base_.WatchWritable(fd, std::move(fn));
}

std::unique_ptr<Registration> VirtualClockLoop::At(Clock::time_point deadline,
                                                   std::function<void()> fn) {
  const int64_t ns = std::chrono::nanoseconds(deadline.time_since_epoch()).count();
  auto timer = std::make_shared<Timer>(Timer{std::move(fn)});
  timers_->emplace(ns, timer);
  if (ns <= now_ns()) {
    Post([this, alive = std::weak_ptr(timers_)] {
      if (alive.lock()) RunDue(now_ns());
    });
  }
  return std::make_unique<Handle>(timers_, std::move(timer), ns);
}

std::optional<int64_t> VirtualClockLoop::NextDeadline() const {
  if (held_ || timers_->empty()) return std::nullopt;
  return timers_->begin()->first;
}

void VirtualClockLoop::RunDue(int64_t until) {
  while (!held_ && !timers_->empty() && timers_->begin()->first <= until) {
    const auto [deadline, timer] = *timers_->begin();
    timers_->erase(timers_->begin());
    now_ns_ = std::max(now_ns(), deadline);
    if (const auto fn = std::exchange(timer->fn, nullptr)) fn();
    Settle();
  }
}

void VirtualClockLoop::AdvanceTo(int64_t ns) {
  Settle();
  if (ns <= now_ns()) return;
  RunDue(ns);
  now_ns_ = ns;
}

void VirtualClockLoop::Settle() {
  for (int i = 0; i < kMostAtOnce && posted_->RunOne(); ++i) {
  }
}

void VirtualClockLoop::HoldTimers(bool hold) {
  held_ = hold;
  if (!hold) RunDue(now_ns());
}

}  // namespace davit::io
