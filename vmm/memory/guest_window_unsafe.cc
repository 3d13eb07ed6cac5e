// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See guest_window.h. A window over RAM that is in one piece in the host (nearly always) takes the
// short way; one over two RAM blocks looks its piece up.
#include "vmm/memory/guest_window.h"

#include <atomic>
#include <cstring>
#include <utility>

#include "vmm/base/check.h"

namespace davit::memory {
namespace {

std::atomic_ref<uint16_t> Cell(uint64_t host_address) {
  return std::atomic_ref<uint16_t>(*reinterpret_cast<uint16_t*>(host_address));
}

// The regions of [addr, addr+len) alone: a window keeps no other mapping.
Result<GuestMemory> RegionsOf(const GuestMemory& memory, GuestAddress addr, uint64_t len) {
  std::vector<Region> regions;
  for (const Region& region : memory.regions()) {
    const uint64_t first = region.base.value;
    const bool before = first < addr.value && region.size <= addr.value - first;
    const bool behind = first >= addr.value && first - addr.value >= len;
    if (!before && !behind) regions.push_back(region);
  }
  return GuestMemory::Create(std::move(regions));
}

}  // namespace

Result<GuestWindow> GuestWindow::Create(const GuestMemory& memory, GuestAddress addr,
                                        uint64_t len) {
  DAVIT_CHECK(addr.value % 2 == 0);
  GuestWindow window;
  DAVIT_ASSIGN(window.memory_, RegionsOf(memory, addr, len));
  window.base_ = addr;
  window.size_ = len;
  uint64_t done = 0;
  DAVIT_TRY(memory.ForEachHostRange(addr, len, [&](uint64_t host_address, uint64_t n) {
    if (!window.pieces_.empty() &&
        window.pieces_.back().host_address + window.pieces_.back().size == host_address) {
      window.pieces_.back().size += n;
    } else {
      window.pieces_.push_back({done, n, host_address});
    }
    done += n;
  }));
  if (window.pieces_.size() == 1) window.host_address_ = window.pieces_.front().host_address;
  return window;
}

uint64_t GuestWindow::At(uint64_t offset, uint64_t n) const {
  DAVIT_CHECK(offset <= size_ && n <= size_ - offset);
  if (host_address_ != 0) return host_address_ + offset;
  for (const Piece& piece : pieces_) {
    if (offset - piece.offset < piece.size && n <= piece.size - (offset - piece.offset)) {
      return piece.host_address + (offset - piece.offset);
    }
  }
  return 0;
}

// Pieces begin and end at pages: two bytes at an even address are never in two of them.
uint16_t GuestWindow::Load16(uint64_t offset) const {
  DAVIT_CHECK(offset % 2 == 0);
  return Cell(At(offset, 2)).load(std::memory_order_relaxed);
}

uint16_t GuestWindow::LoadAcquire16(uint64_t offset) const {
  DAVIT_CHECK(offset % 2 == 0);
  return Cell(At(offset, 2)).load(std::memory_order_acquire);
}

void GuestWindow::Store16(uint64_t offset, uint16_t value) const {
  DAVIT_CHECK(offset % 2 == 0);
  Cell(At(offset, 2)).store(value, std::memory_order_relaxed);
}

void GuestWindow::StoreRelease16(uint64_t offset, uint16_t value) const {
  DAVIT_CHECK(offset % 2 == 0);
  Cell(At(offset, 2)).store(value, std::memory_order_release);
}

void GuestWindow::Read(uint64_t offset, std::span<std::byte> out) const {
  if (const uint64_t at = At(offset, out.size())) {
    std::memcpy(out.data(), reinterpret_cast<const void*>(at), out.size());
  } else {
    (void)memory_.Read(base_ + offset, out);  // inside the window: cannot fail
  }
}

void GuestWindow::Write(uint64_t offset, std::span<const std::byte> in) const {
  if (const uint64_t at = At(offset, in.size())) {
    std::memcpy(reinterpret_cast<void*>(at), in.data(), in.size());
  } else {
    (void)memory_.Write(base_ + offset, in);  // inside the window: cannot fail
  }
}

}  // namespace davit::memory
