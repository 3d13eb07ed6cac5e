// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See borrowed_io.h.
#include "vmm/memory/borrowed_io.h"

#include <utility>

#include "vmm/memory/ram_block.h"

namespace davit::memory {

Status BorrowedIo::Append(GuestAddress addr, uint64_t len) {
  DAVIT_TRY(memory_.ForEachHostRange(addr, len, [this](uint64_t host_address, uint64_t n) {
    auto* const base = reinterpret_cast<std::byte*>(host_address);
    if (!iovecs_.empty()) {
      iovec& last = iovecs_.back();
      if (static_cast<std::byte*>(last.iov_base) + last.iov_len == base) {
        last.iov_len += n;
        return;
      }
    }
    iovecs_.push_back({base, n});
  }));
  bytes_ += len;
  return {};
}

}  // namespace davit::memory
