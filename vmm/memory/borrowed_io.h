// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The one way by which addresses of guest RAM leave this package: iovecs for one call of a back
// end (preadv, io_uring, sendmsg). Keeps the mappings alive; must not be stored beyond the request
// it was made for. The guest may change the bytes at any time: nobody parses them through this.
// Move-only, any one thread at a time.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"

namespace davit::memory {

class BorrowedIo {
 public:
  explicit BorrowedIo(GuestMemory memory) : memory_(std::move(memory)) {}
  // room: of an earlier one, for who makes one a frame.
  BorrowedIo(GuestMemory memory, std::vector<iovec> room)
      : memory_(std::move(memory)), iovecs_(std::move(room)) {
    iovecs_.clear();
  }
  BorrowedIo(BorrowedIo&&) = default;
  BorrowedIo& operator=(BorrowedIo&&) = default;

  // Appends [addr, addr+len), split at region edges; neighbours in host memory are merged.
  // Error: not RAM as a whole (nothing is appended).
  Status Append(GuestAddress addr, uint64_t len);
  // Memory of the caller's own among the guest's; it outlives this.
  void AppendOwn(std::span<std::byte> own) {
    iovecs_.push_back({own.data(), own.size()});
    bytes_ += own.size();
  }

  std::span<const iovec> iovecs() const { return iovecs_; }
  uint64_t bytes() const { return bytes_; }
  std::vector<iovec> TakeRoom() && { return std::move(iovecs_); }

 private:
  GuestMemory memory_;
  std::vector<iovec> iovecs_;
  uint64_t bytes_ = 0;
};

}  // namespace davit::memory
