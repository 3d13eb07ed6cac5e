// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See epoll_event_loop.h.
#include "vmm/io/epoll_event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <deque>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

#include "vmm/base/check.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/epoll_set.h"

namespace davit::io {
namespace {

constexpr Clock::duration kForEver = Clock::duration::max();
constexpr Clock::duration kLongestSpin = std::chrono::hours(1);
constexpr int kTurnsBetweenLooks = 16;

UniqueFd Opened(int fd, const char* what) {
  if (fd < 0) throw std::system_error(errno, std::system_category(), what);
  return UniqueFd(fd);
}

}  // namespace

class EpollEventLoop::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(const PollOptions& polling)
      : set_(std::make_shared<EpollSet>()),
        wake_(Opened(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
        timer_(
            Opened(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create")),
        budget_(polling) {
    set_->AddWaker(wake_.get());
    set_->AddWaker(timer_.get());
  }

  EpollSet& set() { return *set_; }

  void SetPolling(const PollOptions& polling) {
    Post([this, polling] { budget_.Set(polling); });
  }

  void Post(std::function<void()> fn);
  std::unique_ptr<Registration> AddTimer(Clock::time_point deadline, std::function<void()> fn);
  std::unique_ptr<Registration> AddPoller(Poller& poller);

  void Run();
  void Stop() {
    Post([this] { stop_ = true; });
  }
  bool RunOne(Clock::duration limit);
  void Close() {
    set_->Clear();
    // Handles that the callbacks hold die with them and find nothing here.
    const auto timers = std::exchange(timers_, {});
    pollers_.clear();
  }

 private:
  class TimerHandle;
  class PollerHandle;
  using TimerKey = std::pair<Clock::time_point, uint64_t>;  // deadline, order of creation
  struct PollerSlot {
    Poller* poller;  // null: gone
  };

  // Waits about `limit` at most where there is nothing to do; kForEver. True: there was something.
  bool Turn(Clock::duration limit);
  bool RunPosted();
  bool RunTimers();
  bool RunPollers();
  // After a turn that found work elsewhere: descriptors have theirs now and then.
  void LookSometimes();
  // Looks until something is there (true) or the time is over.
  bool Spin(Clock::time_point begin);
  void SetSpinning(bool on);
  bool Sleep(Clock::duration limit);
  void ArmTimer();

  const std::shared_ptr<EpollSet> set_;
  const UniqueFd wake_, timer_;
  bool stop_ = false;

  std::mutex mutex_;  // guards posted_
  std::deque<std::function<void()>> posted_;
  std::atomic<bool> has_posted_{false};
  std::atomic<bool> sleeping_{false};        // who posts must wake the loop
  std::deque<std::function<void()>> batch_;  // taken from posted_

  std::map<TimerKey, std::function<void()>> timers_;
  uint64_t next_timer_ = 0;
  Clock::time_point armed_{};  // what timer_ is set to

  std::vector<std::shared_ptr<PollerSlot>> pollers_;
  bool spinning_ = false;
  bool spun_out_ = false;  // it has looked in vain a moment ago
  PollBudget budget_;
  int turns_since_look_ = 0;
};

class EpollEventLoop::Impl::TimerHandle final : public Registration {
 public:
  TimerHandle(std::weak_ptr<Impl> loop, TimerKey key) : loop_(std::move(loop)), key_(key) {}
  ~TimerHandle() override {
    // The callback may hold handles of other timers: it goes when the map is in order again.
    if (const auto loop = loop_.lock()) const auto timer = loop->timers_.extract(key_);
  }

 private:
  const std::weak_ptr<Impl> loop_;
  const TimerKey key_;
};

class EpollEventLoop::Impl::PollerHandle final : public Registration {
 public:
  explicit PollerHandle(std::shared_ptr<PollerSlot> slot) : slot_(std::move(slot)) {}
  ~PollerHandle() override { slot_->poller = nullptr; }

 private:
  const std::shared_ptr<PollerSlot> slot_;
};

void EpollEventLoop::Impl::Post(std::function<void()> fn) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(fn));
    has_posted_ = true;
  }
  // Sleep() sets sleeping_ and then looks at has_posted_; here the other way round.
  if (sleeping_.exchange(false)) (void)eventfd_write(wake_.get(), 1);
}

std::unique_ptr<Registration> EpollEventLoop::Impl::AddTimer(Clock::time_point deadline,
                                                             std::function<void()> fn) {
  const TimerKey key{deadline, next_timer_++};
  timers_.emplace(key, std::move(fn));
  return std::make_unique<TimerHandle>(weak_from_this(), key);
}

std::unique_ptr<Registration> EpollEventLoop::Impl::AddPoller(Poller& poller) {
  pollers_.push_back(std::make_shared<PollerSlot>(PollerSlot{&poller}));
  return std::make_unique<PollerHandle>(pollers_.back());
}

void EpollEventLoop::Impl::Run() {
  while (!stop_) Turn(kForEver);
  stop_ = false;
}

bool EpollEventLoop::Impl::RunOne(Clock::duration limit) {
  const bool any = Turn(limit);
  stop_ = false;
  return any;
}

bool EpollEventLoop::Impl::Turn(Clock::duration limit) {
  bool any = RunPosted();
  if (!stop_) any = RunTimers() || any;
  if (stop_) return any;
  if (any) {
    LookSometimes();
    return true;
  }
  if (!Sleep(limit)) return false;
  RunPosted();
  if (!stop_) RunTimers();
  return true;
}

void EpollEventLoop::Impl::LookSometimes() {
  if (++turns_since_look_ < kTurnsBetweenLooks) return;
  turns_since_look_ = 0;
  if (set_->Wait(0)) set_->Dispatch();
}

bool EpollEventLoop::Impl::RunPosted() {
  if (batch_.empty()) {
    if (!has_posted_) return false;
    const std::lock_guard lock(mutex_);
    batch_.swap(posted_);
    has_posted_ = false;
  }
  while (!batch_.empty() && !stop_) {
    const std::function<void()> fn = std::move(batch_.front());
    batch_.pop_front();
    fn();
  }
  return true;
}

bool EpollEventLoop::Impl::RunTimers() {
  if (timers_.empty()) return false;
  const Clock::time_point now = Clock::now();
  const uint64_t limit = next_timer_;  // those that callbacks add wait for the next turn
  bool any = false;
  while (!timers_.empty()) {
    const auto first = timers_.begin();
    if (first->first.first > now || first->first.second >= limit) break;
    const auto due = timers_.extract(first);
    any = true;
    due.mapped()();
  }
  return any;
}

bool EpollEventLoop::Impl::RunPollers() {
  bool any = false;
  // Callbacks may add and remove pollers.
  for (size_t i = 0; i < pollers_.size(); ++i) {
    Poller* const poller = pollers_[i]->poller;
    if (poller != nullptr && poller->Poll()) any = true;
  }
  return any;
}

void EpollEventLoop::Impl::SetSpinning(bool on) {
  if (spinning_ == on) return;
  spinning_ = on;
  std::erase_if(pollers_, [](const auto& slot) { return slot->poller == nullptr; });
  for (size_t i = 0; i < pollers_.size(); ++i) {
    if (Poller* const poller = pollers_[i]->poller) poller->OnSpin(on);
  }
}

bool EpollEventLoop::Impl::Spin(Clock::time_point begin) {
  if (std::exchange(spun_out_, false)) return false;
  if (pollers_.empty() || budget_.time() == Clock::duration::zero()) return false;
  Clock::time_point end = begin + std::min<Clock::duration>(budget_.time(), kLongestSpin);
  if (!timers_.empty()) end = std::min(end, timers_.begin()->first.first);
  SetSpinning(true);
  do {
    if (RunPollers() || has_posted_) return true;
  } while (Clock::now() < end);
  return false;
}

bool EpollEventLoop::Impl::Sleep(Clock::duration limit) {
  const Clock::time_point begin = budget_.enabled() ? Clock::now() : Clock::time_point();
  if (Spin(begin)) {
    LookSometimes();
    return true;
  }
  if (spinning_) {
    SetSpinning(false);
    if (RunPollers()) return true;
    // Signals of work that a look had found before: they would pass for work that came just now.
    if (set_->Wait(0)) {
      set_->Dispatch();
      spun_out_ = true;
      return true;
    }
  }
  turns_since_look_ = 0;
  ArmTimer();
  int timeout_ms = -1;
  if (limit != kForEver) {
    timeout_ms = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(limit).count());
  }
  sleeping_ = true;
  const bool came = set_->Wait(has_posted_ ? 0 : timeout_ms) || has_posted_;
  sleeping_ = false;
  if (budget_.enabled()) budget_.Waited(Clock::now() - begin);
  set_->Dispatch();
  return came;
}

void EpollEventLoop::Impl::ArmTimer() {
  if (timers_.empty()) return;
  const Clock::time_point deadline = timers_.begin()->first.first;
  if (deadline == armed_) return;
  armed_ = deadline;
  // The clock of both is CLOCK_MONOTONIC. All zero would disarm.
  const int64_t ns =
      std::max<int64_t>(std::chrono::nanoseconds(deadline.time_since_epoch()).count(), 1);
  itimerspec at{};
  at.it_value.tv_sec = ns / 1'000'000'000;
  at.it_value.tv_nsec = ns % 1'000'000'000;
  DAVIT_CHECK(timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr) == 0);
}

EpollEventLoop::EpollEventLoop(const PollOptions& polling)
    : impl_(std::make_shared<Impl>(polling)) {}

EpollEventLoop::~EpollEventLoop() { impl_->Close(); }

void EpollEventLoop::SetPolling(const PollOptions& polling) { impl_->SetPolling(polling); }

void EpollEventLoop::Post(std::function<void()> fn) { impl_->Post(std::move(fn)); }

Result<std::unique_ptr<Registration>> EpollEventLoop::WatchReadable(int fd,
                                                                    std::function<void()> fn) {
  return impl_->set().Watch(fd, EPOLLIN, std::move(fn));
}

Result<std::unique_ptr<Registration>> EpollEventLoop::WatchWritable(int fd,
                                                                    std::function<void()> fn) {
  return impl_->set().Watch(fd, EPOLLOUT, std::move(fn));
}

Result<std::unique_ptr<Registration>> EpollEventLoop::WatchSignals(int event_fd,
                                                                   std::function<void()> fn) {
  return impl_->set().Watch(event_fd, EPOLLIN | EPOLLET, std::move(fn));
}

std::unique_ptr<Registration> EpollEventLoop::At(Clock::time_point deadline,
                                                 std::function<void()> fn) {
  return impl_->AddTimer(deadline, std::move(fn));
}

std::unique_ptr<Registration> EpollEventLoop::AddPoller(Poller& poller) {
  return impl_->AddPoller(poller);
}

void EpollEventLoop::Run() { impl_->Run(); }

void EpollEventLoop::Stop() { impl_->Stop(); }

bool EpollEventLoop::RunOne(Clock::duration limit) { return impl_->RunOne(limit); }

}  // namespace davit::io
