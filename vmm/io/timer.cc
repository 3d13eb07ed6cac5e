// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See timer.h.
#include "vmm/io/timer.h"

#include <mutex>
#include <optional>

namespace davit::io {

struct Timer::State {
  State(EventLoop& l, std::function<void()> f) : loop(l), fn(std::move(f)) {}

  EventLoop& loop;
  const std::function<void()> fn;
  std::unique_ptr<Registration> registration;  // loop thread
  bool dead = false;                           // loop thread

  std::mutex mutex;  // guards the rest
  std::optional<Clock::time_point> wanted;
  bool update_posted = false;  // at most one at a time: a guest cannot fill the loop's queue
};

Timer::Timer(EventLoop& loop, std::function<void()> fn)
    : state_(std::make_shared<State>(loop, std::move(fn))) {}

Timer::~Timer() {
  state_->dead = true;
  state_->registration.reset();
}

void Timer::Arm(Clock::time_point deadline) {
  {
    std::lock_guard lock(state_->mutex);
    state_->wanted = deadline;
    if (std::exchange(state_->update_posted, true)) return;
  }
  state_->loop.Post([state = state_] { Update(state); });
}

void Timer::Cancel() {
  {
    std::lock_guard lock(state_->mutex);
    state_->wanted.reset();
    if (std::exchange(state_->update_posted, true)) return;
  }
  state_->loop.Post([state = state_] { Update(state); });
}

void Timer::Update(const std::shared_ptr<State>& state) {
  if (state->dead) return;
  std::lock_guard lock(state->mutex);
  state->update_posted = false;
  state->registration.reset();
  if (!state->wanted) return;
  state->registration = state->loop.At(*state->wanted, [weak = std::weak_ptr(state)] {
    auto self = weak.lock();
    if (!self || self->dead) return;
    {
      std::lock_guard guard(self->mutex);
      // Cancelled or moved while this was on its way: the posted update decides.
      if (self->update_posted || !self->wanted) return;
      self->wanted.reset();
    }
    self->fn();
  });
}

}  // namespace davit::io
