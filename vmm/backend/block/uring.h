// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The one door to io_uring. A ring belongs to the thread of its queue. Readable (poll, epoll) when
// completions wait.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>

#include "vmm/base/error.h"

namespace davit::backend {

class Uring {
 public:
  static constexpr unsigned kEntries = 128;

  // Error: the kernel has none, or the process may not use it.
  static Result<std::unique_ptr<Uring>> Create();
  // Tries once a process.
  static Status Available();
  ~Uring();
  Uring(const Uring&) = delete;
  Uring& operator=(const Uring&) = delete;

  int fd() const;
  // Room for one more? At most kEntries are under way at a time.
  bool full() const { return under_way_ == kEntries; }
  unsigned under_way() const { return under_way_; }
  // Not handed to the kernel yet.
  unsigned queued() const { return queued_; }
  // One transfer; the iovecs stay valid until it has ended. Not when full().
  void Read(int fd, const iovec* iov, unsigned count, uint64_t offset, void* user);
  void Write(int fd, const iovec* iov, unsigned count, uint64_t offset, bool fua, void* user);
  void Flush(int fd, void* user);
  // Hands what was queued to the kernel, in one call. What the kernel has no room for stays queued.
  void Submit();
  // All that is under way is still queued: no completion will come before another Submit().
  bool stuck() const { return queued_ != 0 && queued_ == under_way_; }
  // A look into memory: completions wait.
  bool ready() const;
  // Calls ended(user, result) for each completion that waits; result as of the system call, or
  // minus an errno. `ended` may queue more.
  void Reap(const std::function<void(void* user, int result)>& ended);

 private:
  struct Ring;
  explicit Uring(std::unique_ptr<Ring> ring);
  std::unique_ptr<Ring> ring_;
  unsigned under_way_ = 0;
  unsigned queued_ = 0;
};

}  // namespace davit::backend
