// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See fd_chardev.h.
#include "vmm/backend/char/fd_chardev.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "vmm/base/log.h"

namespace davit::backend {

void SetNonBlocking(int fd) {
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
}

FdChardev::FdChardev(std::string id, io::EventLoop& loop) : id_(std::move(id)), loop_(loop) {}

FdChardev::~FdChardev() { *alive_ = false; }

void FdChardev::PostToSelf(std::function<void()> fn) {
  loop_.Post([alive = alive_, fn = std::move(fn)] {
    if (*alive) fn();
  });
}

void FdChardev::Tell(ChardevEvent event) {
  if (client_) client_->OnEvent(event);
}

Status FdChardev::Attach(ChardevClient* client) {
  if (client && client_) return Fail(fmt::format("Device '{}' is in use", id_));
  client_ = client;
  if (!client) {
    std::lock_guard lock(mutex_);
    on_writable_ = nullptr;
  }
  if (connected_) Tell(ChardevEvent::kOpened);
  UpdateInput();
  return {};
}

void FdChardev::Connect(int in_fd, int out_fd) {
  in_fd_ = in_fd;
  {
    std::lock_guard lock(mutex_);
    out_fd_ = out_fd;
    error_posted_ = false;
  }
  connected_ = true;
  Tell(ChardevEvent::kOpened);
  UpdateInput();
}

void FdChardev::Disconnect() {
  StopInput();
  output_watch_.reset();
  {
    std::lock_guard lock(mutex_);
    out_fd_ = -1;
  }
  if (std::exchange(connected_, false)) Tell(ChardevEvent::kClosed);
  NotifyWritable();
}

void FdChardev::StopInput() {
  input_watch_.reset();
  hangup_watch_.reset();
  hangup_fd_.reset();
  in_fd_ = -1;
}

void FdChardev::OnHangup() {
  StopInput();
  Tell(ChardevEvent::kClosed);
}

size_t FdChardev::Put(std::span<const std::byte> data) {
  std::lock_guard lock(mutex_);
  size_t done = 0;
  while (done < data.size()) {
    if (out_fd_ < 0) return data.size();
    const ssize_t n = WriteSome(out_fd_, data.subspan(done));
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (n < 0 && errno == EINTR) {
      continue;
    } else if (n < 0 && errno == EAGAIN) {
      if (!std::exchange(output_full_, true)) PostToSelf([this] { WatchOutput(); });
      return done;
    } else {
      if (!std::exchange(error_posted_, true)) PostToSelf([this] { OnWriteError(); });
      return data.size();
    }
  }
  return done;
}

ssize_t FdChardev::WriteSome(int fd, std::span<const std::byte> data) {
  return write(fd, data.data(), data.size());
}

ssize_t FdChardev::ReadSome(int fd, std::span<std::byte> data) {
  return read(fd, data.data(), data.size());
}

void FdChardev::OnWritable(std::function<void()> fn) {
  std::lock_guard lock(mutex_);
  on_writable_ = std::move(fn);
}

void FdChardev::WatchOutput() {
  int fd;
  {
    std::lock_guard lock(mutex_);
    if (!output_full_) return;
    fd = out_fd_;
  }
  if (fd < 0) return NotifyWritable();
  auto watch = loop_.WatchWritable(fd, [this] {
    output_watch_.reset();
    NotifyWritable();
  });
  if (watch) {
    output_watch_ = std::move(*watch);
  } else {
    DAVIT_LOG_WARN("chardev '{}': {}", id_, watch.error().message);
  }
}

void FdChardev::NotifyWritable() {
  std::function<void()> fn;
  {
    std::lock_guard lock(mutex_);
    if (!std::exchange(output_full_, false)) return;
    fn = on_writable_;
  }
  if (fn) fn();
}

void FdChardev::ResumeInput() {
  if (input_paused_.exchange(false)) PostToSelf([this] { UpdateInput(); });
}

// Watches the input while there is somebody to take it.
void FdChardev::UpdateInput() {
  if (in_fd_ < 0 || !client_) return PauseInput();
  if (client_->CanReceive() == 0) {
    input_paused_ = true;
    // The front end may have made room between the two lines and found no pause to end.
    if (client_->CanReceive() == 0 || !input_paused_.exchange(false)) return PauseInput();
  }
  hangup_watch_.reset();
  hangup_fd_.reset();
  if (input_watch_) return;
  auto watch = loop_.WatchReadable(in_fd_, [this] { OnReadable(); });
  if (watch) {
    input_watch_ = std::move(*watch);
  } else {
    DAVIT_LOG_WARN("chardev '{}': {}", id_, watch.error().message);
  }
}

// Nobody reads: only the end of the peer is of interest.
void FdChardev::PauseInput() {
  input_watch_.reset();
  if (in_fd_ < 0 || hangup_watch_ || !NoticesHangup()) return;
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLRDHUP;  // EPOLLHUP comes unasked
  if (!epoll || epoll_ctl(epoll.get(), EPOLL_CTL_ADD, in_fd_, &event) != 0) return;
  auto watch = loop_.WatchReadable(epoll.get(), [this] { OnHangupWhilePaused(); });
  if (!watch) return;
  hangup_fd_ = std::move(epoll);
  hangup_watch_ = std::move(*watch);
}

void FdChardev::OnHangupWhilePaused() {
  std::byte next;
  const bool listens = client_ && frontend_listens();
  if (listens && recv(in_fd_, &next, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
    hangup_watch_.reset();  // the end is seen when all has been read
    return;
  }
  OnHangup();
}

void FdChardev::OnReadable() {
  std::array<std::byte, 4096> buffer;
  const size_t room = client_ ? std::min(client_->CanReceive(), buffer.size()) : 0;
  if (room == 0) return UpdateInput();
  const ssize_t n = ReadSome(in_fd_, std::span(buffer).first(room));
  if (n > 0) {
    client_->Receive(std::span(buffer).first(static_cast<size_t>(n)));
    UpdateInput();
  } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
    OnHangup();
  }
}

}  // namespace davit::backend
