// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Descriptors and who wants to hear of them: what the event loops have in common. One epoll set;
// files that epoll refuses (regular files, /dev/null) are always ready. Owner: the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/event_loop.h"

namespace davit::io {

class EpollSet : public std::enable_shared_from_this<EpollSet> {
 public:
  // Made by make_shared: handles of watches may outlive it. Throws std::system_error when the
  // process is out of descriptors.
  EpollSet();
  EpollSet(const EpollSet&) = delete;
  EpollSet& operator=(const EpollSet&) = delete;

  int fd() const { return epoll_.get(); }  // readable when a watched descriptor is ready
  bool empty() const { return watched_.empty(); }
  bool has_always_ready() const { return always_ready_ != 0; }

  // As EventLoop::WatchReadable (events: EPOLLIN), WatchWritable (EPOLLOUT) and WatchSignals
  // (EPOLLIN | EPOLLET; the only watch of its descriptor).
  Result<std::unique_ptr<Registration>> Watch(int fd, uint32_t events, std::function<void()> fn);
  // A descriptor that ends Wait() at each signal and that nobody reads: an eventfd, a timerfd.
  // Throws as the constructor.
  void AddWaker(int fd);
  // Waits at most timeout_ms (-1: for ever). True: something is ready, Dispatch() calls whom that
  // concerns.
  bool Wait(int timeout_ms);
  void Dispatch();
  // Forgets all watches; their handles may live on.
  void Clear();

 private:
  class Handle;
  struct Watcher {
    uint64_t id;      // ascending
    uint32_t events;  // as given to Watch()
    std::shared_ptr<const std::function<void()>> fn;
  };
  struct Ready {
    int fd;
    uint32_t events;
  };
  struct Watched {
    std::vector<Watcher> watchers;
    bool always_ready = false;  // epoll does not know this kind of file
  };

  static uint32_t Mask(const Watched& watched);
  int Control(int op, int fd, uint32_t events) const;  // 0 or an errno
  void Remove(int fd, uint64_t id);
  void Call(int fd, uint32_t events, uint64_t limit);
  void CallAlwaysReady(uint64_t limit);

  const UniqueFd epoll_;
  std::map<int, Watched> watched_;
  size_t always_ready_ = 0;  // how many of them
  uint64_t next_id_ = 1;
  std::vector<Ready> ready_;  // of the last Wait()
};

}  // namespace davit::io
