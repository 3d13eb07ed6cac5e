// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See kvm_memory.h.
#include "vmm/machine/kvm_memory.h"

#include <algorithm>

#include "vmm/base/log.h"
#include "vmm/memory/ram_block.h"

namespace davit::machine {

Status KvmMemory::CheckCount(size_t slots) const {
  const int most = vm_.Capability(kvm::Cap::kNrMemslots);
  // A kernel that does not say how many has 32 at least.
  if (slots <= static_cast<size_t>(most > 0 ? most : 32)) return {};
  return Fail("hypervisor has no free memory slots left");
}

Result<uint32_t> KvmMemory::Add(const Slot& slot) {
  const auto free = std::find(slots_.begin(), slots_.end(), std::nullopt);
  const auto number = static_cast<uint32_t>(free - slots_.begin());
  DAVIT_TRY(vm_.SetMemorySlot(number, slot.gpa, slot.size, slot.host_address, slot.readonly));
  if (free == slots_.end()) {
    slots_.emplace_back(slot);
  } else {
    *free = slot;
  }
  return number;
}

void KvmMemory::Remove(const std::vector<uint32_t>& numbers) {
  if (numbers.empty()) return;
  while_held_([&] {
    for (const uint32_t number : numbers) {
      const Slot slot = *slots_[number];
      if (Status gone = vm_.SetMemorySlot(number, slot.gpa, 0, slot.host_address, slot.readonly);
          !gone) {
        // A slot that was there can always go; nothing else could be done about it.
        DAVIT_LOG_ERROR("memory slot {}: {}", number, gone.error().message);
      }
      slots_[number].reset();
    }
  });
}

Status KvmMemory::OnMemory(const memory::GuestMemory& next) {
  std::vector<Slot> wanted;
  for (const memory::Region& region : next.regions()) {
    wanted.push_back({region.base.value, region.size,
                      region.block->host_address() + region.block_offset,
                      region.block->readonly()});
  }
  DAVIT_TRY(CheckCount(wanted.size()));
  std::vector<Slot> removed;
  std::vector<uint32_t> leaving;
  for (uint32_t number = 0; number < slots_.size(); ++number) {
    if (!slots_[number]) continue;
    const auto same = std::find(wanted.begin(), wanted.end(), *slots_[number]);
    if (same != wanted.end()) {
      wanted.erase(same);
    } else {
      removed.push_back(*slots_[number]);
      leaving.push_back(number);
    }
  }
  Remove(leaving);
  std::vector<uint32_t> added;
  for (const Slot& slot : wanted) {
    const Result<uint32_t> number = Add(slot);
    if (number) {
      added.push_back(*number);
      continue;
    }
    Remove(added);
    for (const Slot& old : removed) {
      if (auto back = Add(old); !back) DAVIT_LOG_ERROR("{}", back.error().message);
    }
    return Fail(number.error());
  }
  return {};
}

}  // namespace davit::machine
