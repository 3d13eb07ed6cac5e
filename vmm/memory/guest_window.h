// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A range of guest RAM that is used over and over (a virtqueue's ring): bounds are checked once,
// when it is made, and an access after that is one load or store with the memory order that its
// name says. It keeps the mappings of its range alive, so that it stays usable when that RAM is
// unplugged, and of no other.
// Offsets and alignment are the caller's invariants: a bad one is a failed check, never a wild
// access. Values are little-endian, as the host. Thread-safe as far as the guest's protocol is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"

namespace davit::memory {

class GuestWindow {
 public:
  GuestWindow() = default;  // of no bytes
  // addr: multiple of 2. Error: [addr, addr+len) is not RAM as a whole.
  static Result<GuestWindow> Create(const GuestMemory& memory, GuestAddress addr, uint64_t len);

  uint64_t size() const { return size_; }

  // Single accesses of two bytes at an even offset.
  uint16_t Load16(uint64_t offset) const;         // relaxed
  uint16_t LoadAcquire16(uint64_t offset) const;  // what is read later is not older
  void Store16(uint64_t offset, uint16_t value) const;
  void StoreRelease16(uint64_t offset, uint16_t value) const;  // after what was stored before

  // Copies, in no order within.
  void Read(uint64_t offset, std::span<std::byte> out) const;
  void Write(uint64_t offset, std::span<const std::byte> in) const;

 private:
  struct Piece {
    uint64_t offset;  // in the window
    uint64_t size;
    uint64_t host_address;
  };
  // The host address of [offset, offset + n) where one piece has it, else 0.
  uint64_t At(uint64_t offset, uint64_t n) const;

  GuestMemory memory_;  // of the range alone; keeps the mappings
  GuestAddress base_;
  uint64_t size_ = 0;
  uint64_t host_address_ = 0;  // 0: more than one piece
  std::vector<Piece> pieces_;
};

}  // namespace davit::memory
