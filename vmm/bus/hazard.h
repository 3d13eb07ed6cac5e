// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Hazard pointers: how a vCPU thread reads a table that the control thread replaces, with no lock
// and no shared cache line written. A reader publishes the pointer that it uses in a slot of its
// own thread; a writer swaps the pointer, then looks through the slots for the old one. Slots live
// as long as the process (a thread that ends gives its slot back); any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

namespace davit::bus {

// What one thread uses now. Accesses nest (a device that reaches another bus), a few deep.
struct alignas(64) HazardSlot {
  static constexpr size_t kDepth = 6;
  std::array<std::atomic<const void*>, kDepth> pointers{};
  size_t depth = 0;  // owner thread only
  std::atomic<bool> taken{false};
  HazardSlot* next = nullptr;  // list of all slots, never shortened
};

// The slot of the calling thread.
HazardSlot& ThisThreadHazards();

// True when a thread other than the caller uses `pointer`.
bool HazardUsedByOthers(const void* pointer);
// True when the caller is inside a HazardGuard.
bool HazardHeldHere();
// True when any thread, the caller too, uses `pointer`.
bool HazardUsed(const void* pointer);

// Loads `source` and keeps what it points to from being freed while the guard lives.
template <typename T>
class HazardGuard {
 public:
  explicit HazardGuard(const std::atomic<const T*>& source)
      : slot_(ThisThreadHazards()), cell_(Cell(slot_)) {
    const T* seen = source.load(std::memory_order_acquire);
    for (;;) {
      cell_.store(seen, std::memory_order_seq_cst);
      const T* again = source.load(std::memory_order_seq_cst);
      if (again == seen) break;
      seen = again;
    }
    pointer_ = seen;
    ++slot_.depth;
  }
  ~HazardGuard() {
    --slot_.depth;
    cell_.store(nullptr, std::memory_order_release);
  }
  HazardGuard(const HazardGuard&) = delete;
  HazardGuard& operator=(const HazardGuard&) = delete;

  const T& operator*() const { return *pointer_; }
  const T* operator->() const { return pointer_; }

 private:
  static std::atomic<const void*>& Cell(HazardSlot& slot);

  HazardSlot& slot_;
  std::atomic<const void*>& cell_;
  const T* pointer_ = nullptr;
};

// A device that reaches back into buses deeper than kDepth is a defect of ours.
[[noreturn]] void HazardTooDeep();

template <typename T>
std::atomic<const void*>& HazardGuard<T>::Cell(HazardSlot& slot) {
  if (slot.depth >= HazardSlot::kDepth) HazardTooDeep();
  return slot.pointers[slot.depth];
}

}  // namespace davit::bus
