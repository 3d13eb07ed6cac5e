// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See hazard.h.
#include "vmm/bus/hazard.h"

#include "vmm/base/check.h"

namespace davit::bus {
namespace {

std::atomic<HazardSlot*> g_slots{nullptr};

HazardSlot* TakeSlot() {
  for (HazardSlot* slot = g_slots.load(std::memory_order_acquire); slot; slot = slot->next) {
    bool free = false;
    if (slot->taken.compare_exchange_strong(free, true)) return slot;
  }
  auto* slot = new HazardSlot;  // never freed: a writer may be looking at it
  slot->taken = true;
  slot->next = g_slots.load(std::memory_order_relaxed);
  while (!g_slots.compare_exchange_weak(slot->next, slot, std::memory_order_acq_rel)) {
  }
  return slot;
}

struct SlotOwner {
  HazardSlot* slot = TakeSlot();
  ~SlotOwner() { slot->taken.store(false, std::memory_order_release); }
};

bool UsedBy(const HazardSlot& slot, const void* pointer) {
  for (const auto& cell : slot.pointers) {
    if (cell.load(std::memory_order_seq_cst) == pointer) return true;
  }
  return false;
}

}  // namespace

HazardSlot& ThisThreadHazards() {
  thread_local SlotOwner owner;
  return *owner.slot;
}

bool HazardUsedByOthers(const void* pointer) {
  const HazardSlot* self = &ThisThreadHazards();
  for (HazardSlot* slot = g_slots.load(std::memory_order_acquire); slot; slot = slot->next) {
    if (slot != self && UsedBy(*slot, pointer)) return true;
  }
  return false;
}

bool HazardUsed(const void* pointer) {
  return UsedBy(ThisThreadHazards(), pointer) || HazardUsedByOthers(pointer);
}

bool HazardHeldHere() { return ThisThreadHazards().depth != 0; }

void HazardTooDeep() {
  DAVIT_CHECK(!"bus accesses nest too deep");
  __builtin_unreachable();
}

}  // namespace davit::bus
