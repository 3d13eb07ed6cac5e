// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See asio_event_loop.h.
#include "vmm/io/asio_event_loop.h"

#include <sys/epoll.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <system_error>
#include <utility>

#include "vmm/io/epoll_set.h"

namespace davit::io {

namespace asio = boost::asio;
using boost::system::error_code;

class AsioEventLoop::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(asio::io_context* context)
      : own_(context ? nullptr : new asio::io_context(1)),
        context_(context ? context : own_.get()),
        set_(std::make_shared<EpollSet>()),
        descriptor_(*context_) {
    error_code error;
    descriptor_.assign(set_->fd(), error);
    if (error) throw std::system_error(error);
  }
  ~Impl() {
    if (descriptor_.is_open()) descriptor_.release();
  }

  void Close() {
    closed_ = true;
    descriptor_.release();
    set_->Clear();
  }

  asio::io_context& context() { return *context_; }

  Result<std::unique_ptr<Registration>> Watch(int fd, uint32_t events, std::function<void()> fn) {
    auto watch = set_->Watch(fd, events, std::move(fn));
    if (watch) Arm();
    return watch;
  }

 private:
  void Arm();
  void Poll();

  std::unique_ptr<asio::io_context> own_;
  asio::io_context* context_;
  const std::shared_ptr<EpollSet> set_;
  asio::posix::stream_descriptor descriptor_;  // set_'s number, released before it would close it
  bool armed_ = false;
  bool posted_ = false;  // for what is always ready
  bool closed_ = false;
};

namespace {

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

void AsioEventLoop::Impl::Arm() {
  if (closed_ || set_->empty()) return;
  if (set_->has_always_ready() && !std::exchange(posted_, true)) {
    asio::post(*context_, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (!self || self->closed_) return;
      self->posted_ = false;
      self->Poll();
    });
  }
  if (std::exchange(armed_, true)) return;
  descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [weak = weak_from_this()](const error_code& error) {
                           auto self = weak.lock();
                           if (!self || self->closed_) return;
                           self->armed_ = false;
                           if (!error) self->Poll();
                         });
}

void AsioEventLoop::Impl::Poll() {
  if (set_->Wait(0)) set_->Dispatch();
  Arm();
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
  return impl_->Watch(fd, EPOLLIN, std::move(fn));
}

Result<std::unique_ptr<Registration>> AsioEventLoop::WatchWritable(int fd,
                                                                   std::function<void()> fn) {
  return impl_->Watch(fd, EPOLLOUT, std::move(fn));
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
