// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See epoll_set.h.
#include "vmm/io/epoll_set.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace davit::io {

class EpollSet::Handle final : public Registration {
 public:
  Handle(std::weak_ptr<EpollSet> set, int fd, uint64_t id)
      : set_(std::move(set)), fd_(fd), id_(id) {}
  ~Handle() override {
    if (const auto set = set_.lock()) set->Remove(fd_, id_);
  }

 private:
  const std::weak_ptr<EpollSet> set_;
  const int fd_;
  const uint64_t id_;
};

EpollSet::EpollSet() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) throw std::system_error(errno, std::system_category(), "epoll_create1");
}

uint32_t EpollSet::Mask(const Watched& watched) {
  uint32_t mask = 0;
  for (const Watcher& watcher : watched.watchers) mask |= watcher.events;
  return mask;
}

int EpollSet::Control(int op, int fd, uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return epoll_ctl(epoll_.get(), op, fd, &event) == 0 ? 0 : errno;
}

void EpollSet::AddWaker(int fd) {
  const int error = Control(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET);
  if (error != 0) throw std::system_error(error, std::system_category(), "epoll_ctl");
}

Result<std::unique_ptr<Registration>> EpollSet::Watch(int fd, uint32_t events,
                                                      std::function<void()> fn) {
  Watched& watched = watched_[fd];
  const bool first = watched.watchers.empty();
  if (first) {
    const int error = Control(EPOLL_CTL_ADD, fd, events);
    watched.always_ready = error == EPERM;
    if (error != 0 && error != EPERM) {
      watched_.erase(fd);
      return FailErrno(fmt::format("cannot watch descriptor {}", fd), error);
    }
    if (watched.always_ready) ++always_ready_;
  }
  const uint64_t id = next_id_++;
  watched.watchers.push_back(
      {id, events, std::make_shared<const std::function<void()>>(std::move(fn))});
  if (!first && !watched.always_ready) Control(EPOLL_CTL_MOD, fd, Mask(watched));
  return std::make_unique<Handle>(weak_from_this(), fd, id);
}

void EpollSet::Remove(int fd, uint64_t id) {
  const auto at = watched_.find(fd);
  if (at == watched_.end()) return;
  Watched& watched = at->second;
  std::erase_if(watched.watchers, [id](const Watcher& watcher) { return watcher.id == id; });
  if (watched.watchers.empty()) {
    if (watched.always_ready) {
      --always_ready_;
    } else {
      Control(EPOLL_CTL_DEL, fd, 0);
    }
    watched_.erase(at);
  } else if (!watched.always_ready) {
    Control(EPOLL_CTL_MOD, fd, Mask(watched));
  }
}

bool EpollSet::Wait(int timeout_ms) {
  std::array<epoll_event, 32> events;
  const int n =
      epoll_wait(epoll_.get(), events.data(), events.size(), has_always_ready() ? 0 : timeout_ms);
  ready_.clear();
  for (int i = 0; i < n; ++i) ready_.push_back({events[i].data.fd, events[i].events});
  return n > 0 || has_always_ready();
}

void EpollSet::Dispatch() {
  // A descriptor that a callback opens may have the number of one that another has closed.
  const uint64_t limit = next_id_;
  for (size_t i = 0; i < ready_.size(); ++i) Call(ready_[i].fd, ready_[i].events, limit);
  ready_.clear();
  if (has_always_ready()) CallAlwaysReady(limit);
}

void EpollSet::Call(int fd, uint32_t events, uint64_t limit) {
  if (events & (EPOLLERR | EPOLLHUP)) events |= EPOLLIN | EPOLLOUT;
  // A callback may remove any watch, also the one that runs, and add others: look each up again.
  for (uint64_t last = 0;;) {
    const auto at = watched_.find(fd);
    if (at == watched_.end()) return;
    const auto& watchers = at->second.watchers;
    const auto next = std::find_if(watchers.begin(), watchers.end(), [&](const Watcher& watcher) {
      return watcher.id > last && watcher.id < limit && (watcher.events & events);
    });
    if (next == watchers.end()) return;
    last = next->id;
    const auto fn = next->fn;
    (*fn)();
  }
}

void EpollSet::CallAlwaysReady(uint64_t limit) {
  std::vector<int> fds;
  for (const auto& [fd, watched] : watched_) {
    if (watched.always_ready) fds.push_back(fd);
  }
  for (const int fd : fds) Call(fd, EPOLLIN | EPOLLOUT, limit);
}

void EpollSet::Clear() {
  ready_.clear();
  always_ready_ = 0;
  // Handles that the callbacks hold die with them and find nothing here.
  const std::map<int, Watched> watched = std::exchange(watched_, {});
}

}  // namespace davit::io
