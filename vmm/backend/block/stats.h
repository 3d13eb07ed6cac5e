// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What query-blockstats counts of one disk. Written on the disk's loop, read on the control
// thread.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "vmm/backend/block/request.h"
#include "vmm/io/event_loop.h"

namespace davit::backend {

enum class BlockCount : uint8_t { kRead, kWrite, kFlush, kUnmap };

// Zeros count as written.
constexpr BlockCount CountOf(BlockOp op) {
  switch (op) {
    case BlockOp::kRead:
      return BlockCount::kRead;
    case BlockOp::kFlush:
      return BlockCount::kFlush;
    case BlockOp::kDiscard:
      return BlockCount::kUnmap;
    default:
      return BlockCount::kWrite;
  }
}

class BlockStats {
 public:
  struct Row {
    std::atomic<uint64_t> bytes{0}, operations{0}, time_ns{0}, failed{0}, invalid{0};
  };

  const Row& operator[](BlockCount kind) const { return rows_[static_cast<size_t>(kind)]; }
  // Nanoseconds since the last request ended; negative: there was none.
  int64_t IdleNs(io::Clock::time_point now) const {
    const int64_t last = last_.load(std::memory_order_relaxed);
    return last == 0 ? -1 : Ns(now) - last;
  }

  void Done(BlockOp op, uint64_t bytes, io::Clock::time_point start, io::Clock::time_point now) {
    Row& row = rows_[static_cast<size_t>(CountOf(op))];
    row.bytes.fetch_add(bytes, std::memory_order_relaxed);
    row.operations.fetch_add(1, std::memory_order_relaxed);
    row.time_ns.fetch_add(static_cast<uint64_t>(Ns(now) - Ns(start)), std::memory_order_relaxed);
    last_.store(Ns(now), std::memory_order_relaxed);
  }
  // A request that ended in an error which the guest was told.
  void Failed(BlockOp op) { Add(op, &Row::failed); }
  // A request that could not be one (out of range).
  void Invalid(BlockOp op) { Add(op, &Row::invalid); }

 private:
  static int64_t Ns(io::Clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
  }
  void Add(BlockOp op, std::atomic<uint64_t> Row::*member) {
    (rows_[static_cast<size_t>(CountOf(op))].*member).fetch_add(1, std::memory_order_relaxed);
  }

  std::array<Row, 4> rows_;
  std::atomic<int64_t> last_{0};
};

}  // namespace davit::backend
