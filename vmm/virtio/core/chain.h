// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One request of the driver: a descriptor chain, taken off a queue (queue.h) and validated whole
// before a device sees it (virtio 1.2, 2.6.5, 2.7.5.3): every buffer is RAM and not empty,
// readable ones come before writable ones, no loop, at most one indirect table, at most 1024
// descriptors (the queue's size where that is more), at most 2^32 bytes. A device reads through
// Reader and fills through Writer and never sees an address.
// Move-only; owned by one thread at a time; keeps the guest memory mapped. Cursors stay good when
// the chain is moved, and die with it (or with Complete()).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/memory/borrowed_io.h"
#include "vmm/memory/guest_memory.h"

namespace davit::virtio {

struct Buffer {
  memory::GuestAddress address;
  uint32_t length = 0;
};

// What a chain holds. Queues keep those of completed chains and use them again, so that a running
// queue allocates nothing.
struct ChainState {
  memory::GuestMemory memory;
  std::vector<Buffer> buffers;  // readable ones first
  size_t readable_count = 0;
  uint64_t readable_bytes = 0, writable_bytes = 0;
  uint16_t id = 0;           // head (split) or buffer id (packed)
  uint16_t descriptors = 0;  // ring slots it took
  uint32_t epoch = 0;        // of the ring it came from
  uint32_t memory_age = 0;   // of `memory`, as the queue counts
};

// A cursor over buffers, shared by Reader and Writer.
class BufferCursor {
 public:
  BufferCursor(const memory::GuestMemory& memory, std::span<const Buffer> buffers);
  uint64_t remaining() const { return remaining_; }

 protected:
  // Calls fn(address, n) for the next `len` bytes, buffer by buffer, and moves on. len <=
  // remaining. Stops at the first error.
  template <typename Fn>
  Status Each(uint64_t len, Fn fn);
  Status Need(uint64_t len) const;  // Error: fewer remain
  Result<memory::BorrowedIo> BorrowNext(uint64_t bytes);
  Status BorrowNext(uint64_t bytes, memory::BorrowedIo& into);
  const memory::GuestMemory* memory_;

 private:
  std::span<const Buffer> buffers_;
  size_t index_ = 0;
  uint64_t offset_ = 0;  // into buffers_[index_]
  uint64_t remaining_ = 0;
};

// The device-readable part, front to back. The chain outlives it.
class Reader : public BufferCursor {
 public:
  using BufferCursor::BufferCursor;
  // Fills `out` or fails (fewer bytes remain: nothing is read).
  Status Read(std::span<std::byte> out);
  template <typename T>
  requires std::is_trivially_copyable_v<T> Result<T> Read() {
    T value;
    DAVIT_TRY(Read(std::as_writable_bytes(std::span(&value, 1))));
    return value;
  }
  Status Skip(uint64_t bytes);
  // The next `bytes` as iovecs for one back-end call. Error: fewer remain.
  Result<memory::BorrowedIo> Borrow(uint64_t bytes) { return BorrowNext(bytes); }
  // The same behind what `into` has, which is of the same guest memory.
  Status Borrow(uint64_t bytes, memory::BorrowedIo& into) { return BorrowNext(bytes, into); }
};

// The device-writable part, front to back. Bytes count as written when they are, or when Commit()
// says so for borrowed ones. The chain outlives it.
class Writer : public BufferCursor {
 public:
  using BufferCursor::BufferCursor;
  Status Write(std::span<const std::byte> in);
  template <typename T>
  requires(std::is_trivially_copyable_v<T> &&
           !std::is_convertible_v<const T&, std::span<const std::byte>>) Status
      Write(const T& value) {
    return Write(std::as_bytes(std::span(&value, 1)));
  }
  // Moves on without writing; the bytes do not count as written (a status byte behind data that a
  // back end fills later).
  Status Skip(uint64_t bytes);
  // As Reader::Borrow; the bytes count only after Commit().
  Result<memory::BorrowedIo> Borrow(uint64_t bytes) { return BorrowNext(bytes); }
  Status Borrow(uint64_t bytes, memory::BorrowedIo& into) { return BorrowNext(bytes, into); }
  void Commit(uint64_t bytes) { written_ += bytes; }
  // Gives the host memory of the next `bytes` back to the host, where they fill host pages
  // (GuestMemory::Discard), and moves on.
  Status Discard(uint64_t bytes);
  uint64_t written() const { return written_; }

 private:
  uint64_t written_ = 0;
};

class DescriptorChain {
 public:
  // For tests and fuzz targets of devices; queues make theirs from a ChainState.
  DescriptorChain(memory::GuestMemory memory, uint16_t id, uint16_t descriptors,
                  std::vector<Buffer> buffers, size_t readable_count);
  explicit DescriptorChain(std::unique_ptr<ChainState> state) : state_(std::move(state)) {}
  DescriptorChain(DescriptorChain&&) = default;
  DescriptorChain& operator=(DescriptorChain&&) = default;

  // Fresh cursors at the front, at each call.
  Reader reader() const;
  Writer writer() const;
  size_t buffers() const { return state_->buffers.size(); }
  uint64_t readable_bytes() const { return state_->readable_bytes; }
  uint64_t writable_bytes() const { return state_->writable_bytes; }

  // RAM is `next` now. A device that keeps a chain for long calls it (VirtioDevice::OnMemory()), or
  // else the chain keeps RAM mapped that was unplugged. No effect where a buffer lies in such RAM.
  void FollowMemory(const memory::GuestMemory& next);

  // For the queue: the buffer id, and how many ring slots it took (packed ring).
  uint16_t id() const { return state_->id; }
  uint16_t descriptors() const { return state_->descriptors; }
  std::unique_ptr<ChainState> TakeState() { return std::move(state_); }

 private:
  std::unique_ptr<ChainState> state_;  // null when moved from
};

}  // namespace davit::virtio
