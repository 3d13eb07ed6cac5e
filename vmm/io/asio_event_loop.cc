// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See asio_event_loop.h.
#include "vmm/io/asio_event_loop.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <map>
#include <system_error>
#include <vector>

#include "vmm/base/unique_fd.h"

namespace davit::io {

namespace asio = boost::asio;
using boost::system::error_code;

class AsioEventLoop::Impl : public std::enable_shared_from_this<Impl> {
 public:
  struct Watch {
    uint64_t id;
    uint32_t events;  // EPOLLIN or EPOLLOUT
    std::shared_ptr<std::function<void()>> fn;
  };
  struct Watched {
    std::vector<Watch> watches;
    bool always_ready = false;  // epoll does not know this kind of file
    bool scheduled = false;     // always_ready: a dispatch is posted
  };

  explicit Impl(asio::io_context* context)
      : own_(context ? nullptr : new asio::io_context(1)),
        context_(context ? context : own_.get()),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        descriptor_(*context_) {
    if (!epoll_) throw std::system_error(errno, std::system_category(), "epoll_create1");
    error_code error;
    descriptor_.assign(epoll_.get(), error);
    if (error) throw std::system_error(error);
  }
  ~Impl() {
    if (descriptor_.is_open()) descriptor_.release();
  }

  void Close() {
    closed_ = true;
    descriptor_.release();
    watched_.clear();
  }

  asio::io_context& context() { return *context_; }

  Result<std::unique_ptr<Registration>> Add(int fd, uint32_t events, std::function<void()> fn);
  void Remove(int fd, uint64_t id);

 private:
  static uint32_t Mask(const Watched& watched) {
    uint32_t mask = 0;
    for (const Watch& watch : watched.watches) mask |= watch.events;
    return mask;
  }
  int Control(int op, int fd, uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    return epoll_ctl(epoll_.get(), op, fd, &event) == 0 ? 0 : errno;
  }
  void Arm();
  void Poll();
  void Dispatch(int fd, uint32_t events);
  void ScheduleAlwaysReady(int fd);

  std::unique_ptr<asio::io_context> own_;
  asio::io_context* context_;
  UniqueFd epoll_;
  asio::posix::stream_descriptor descriptor_;  // epoll_'s number, released before it would close it
  std::map<int, Watched> watched_;
  uint64_t next_id_ = 1;
  bool armed_ = false;
  bool closed_ = false;
};

namespace {

// The part of a handle that outlives its loop is a weak pointer.
template <typename Loop>
class WatchHandle final : public Registration {
 public:
  WatchHandle(std::weak_ptr<Loop> loop, int fd, uint64_t id)
      : loop_(std::move(loop)), fd_(fd), id_(id) {}
  ~WatchHandle() override {
    if (auto loop = loop_.lock()) loop->Remove(fd_, id_);
  }

 private:
  std::weak_ptr<Loop> loop_;
  int fd_;
  uint64_t id_;
};

// The pending wait owns the timer, so that both die with the io_context at the latest.
class TimerHandle final : public Registration {
 public:
  TimerHandle(std::weak_ptr<asio::steady_timer> timer, std::shared_ptr<bool> live)
      : timer_(std::move(timer)), live_(std::move(live)) {}
  ~TimerHandle() override {
    *live_ = false;
    if (auto timer = timer_.lock()) timer->cancel();
  }

 private:
  std::weak_ptr<asio::steady_timer> timer_;
  std::shared_ptr<bool> live_;
};

}  // namespace

Result<std::unique_ptr<Registration>> AsioEventLoop::Impl::Add(int fd, uint32_t events,
                                                               std::function<void()> fn) {
  Watched& watched = watched_[fd];
  const bool first = watched.watches.empty();
  if (first) {
    const int error = Control(EPOLL_CTL_ADD, fd, events);
    watched.always_ready = error == EPERM;
    if (error != 0 && error != EPERM) {
      watched_.erase(fd);
      return FailErrno(fmt::format("cannot watch descriptor {}", fd), error);
    }
  }
  const uint64_t id = next_id_++;
  watched.watches.push_back({id, events, std::make_shared<std::function<void()>>(std::move(fn))});
  if (watched.always_ready) {
    ScheduleAlwaysReady(fd);
  } else if (!first) {
    Control(EPOLL_CTL_MOD, fd, Mask(watched));
  }
  Arm();
  return std::make_unique<WatchHandle<Impl>>(weak_from_this(), fd, id);
}

void AsioEventLoop::Impl::Remove(int fd, uint64_t id) {
  auto at = watched_.find(fd);
  if (at == watched_.end()) return;
  std::erase_if(at->second.watches, [id](const Watch& watch) { return watch.id == id; });
  const bool in_epoll = !at->second.always_ready;
  if (at->second.watches.empty()) {
    if (in_epoll) Control(EPOLL_CTL_DEL, fd, 0);
    watched_.erase(at);
  } else if (in_epoll) {
    Control(EPOLL_CTL_MOD, fd, Mask(at->second));
  }
}

void AsioEventLoop::Impl::Arm() {
  if (armed_ || closed_) return;
  armed_ = true;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [weak = weak_from_this()](const error_code& error) {
                           auto self = weak.lock();
                           if (!self || self->closed_) return;
                           self->armed_ = false;
                           if (!error) self->Poll();
                         });
}

void AsioEventLoop::Impl::Poll() {
  std::array<epoll_event, 32> events;
  const int n = epoll_wait(epoll_.get(), events.data(), events.size(), 0);
  for (int i = 0; i < n; ++i) Dispatch(events[i].data.fd, events[i].events);
  if (!watched_.empty()) Arm();
}

void AsioEventLoop::Impl::Dispatch(int fd, uint32_t events) {
  if (events & (EPOLLERR | EPOLLHUP)) events |= EPOLLIN | EPOLLOUT;
  // A callback may remove any watch, also the one that runs, and add others: look each up again.
  auto at = watched_.find(fd);
  if (at == watched_.end()) return;
  std::vector<uint64_t> ids;
  for (const Watch& watch : at->second.watches) {
    if (watch.events & events) ids.push_back(watch.id);
  }
  for (uint64_t id : ids) {
    at = watched_.find(fd);
    if (at == watched_.end()) return;
    auto watch = std::find_if(at->second.watches.begin(), at->second.watches.end(),
                              [id](const Watch& w) { return w.id == id; });
    if (watch == at->second.watches.end()) continue;
    auto fn = watch->fn;
    (*fn)();
  }
}

void AsioEventLoop::Impl::ScheduleAlwaysReady(int fd) {
  Watched& watched = watched_[fd];
  if (watched.scheduled) return;
  watched.scheduled = true;
  asio::post(*context_, [weak = weak_from_this(), fd] {
    auto self = weak.lock();
    if (!self || self->closed_) return;
    auto at = self->watched_.find(fd);
    if (at == self->watched_.end() || !at->second.scheduled) return;
    at->second.scheduled = false;
    self->Dispatch(fd, EPOLLIN | EPOLLOUT);
    at = self->watched_.find(fd);
    if (at != self->watched_.end() && at->second.always_ready) self->ScheduleAlwaysReady(fd);
  });
}

// Asio's own exception type is known to this file only.
AsioEventLoop::AsioEventLoop() try : impl_(std::make_shared<Impl>(nullptr)) {
} catch (const boost::system::system_error& error) {
  throw std::system_error(error.code());
}

AsioEventLoop::AsioEventLoop(asio::io_context& context) : impl_(std::make_shared<Impl>(&context)) {}

AsioEventLoop::~AsioEventLoop() { impl_->Close(); }

void AsioEventLoop::Post(std::function<void()> fn) { asio::post(impl_->context(), std::move(fn)); }

Result<std::unique_ptr<Registration>> AsioEventLoop::WatchReadable(int fd,
                                                                   std::function<void()> fn) {
  return impl_->Add(fd, EPOLLIN, std::move(fn));
}

Result<std::unique_ptr<Registration>> AsioEventLoop::WatchWritable(int fd,
                                                                   std::function<void()> fn) {
  return impl_->Add(fd, EPOLLOUT, std::move(fn));
}

std::unique_ptr<Registration> AsioEventLoop::At(Clock::time_point deadline,
                                                std::function<void()> fn) {
  auto timer = std::make_shared<asio::steady_timer>(impl_->context(), deadline);
  auto live = std::make_shared<bool>(true);
  // A timer that has expired but whose handler has not run cannot be cancelled any more: hence
  // `live`.
  timer->async_wait([live, timer, fn = std::move(fn)](const error_code& error) {
    if (*live && !error) fn();
  });
  return std::make_unique<TimerHandle>(timer, std::move(live));
}

void AsioEventLoop::Run() {
  asio::io_context& context = impl_->context();
  auto guard = asio::make_work_guard(context);
  context.run();
  context.restart();
}

void AsioEventLoop::Stop() {
  asio::post(impl_->context(), [&context = impl_->context()] { context.stop(); });
}

bool AsioEventLoop::RunOne(Clock::duration limit) {
  asio::io_context& context = impl_->context();
  auto guard = asio::make_work_guard(context);
  const bool ran = context.run_one_for(limit) != 0;
  context.restart();
  return ran;
}

}  // namespace davit::io
