// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// KVM's memory slots follow the table of guest RAM: one slot a region. Slots of regions that stay
// are not touched. A slot goes while the vCPUs stand still: KVM takes the whole page table down
// with it and waits until no vCPU uses the old list of slots, which took up to 16 ms with one that
// ran and takes 0.5 ms with none. Owner: control thread; the VM outlives this, and the mapping of a
// region its slot, since a table is given up only after the next one is in place.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "vmm/kvm/kvm.h"
#include "vmm/memory/live_memory.h"

namespace davit::machine {

class KvmMemory final : public memory::LiveMemory::Listener {
 public:
  // Calls what it is given, once, while no vCPU runs.
  using WhileHeld = std::function<void(const std::function<void()>& fn)>;
  KvmMemory(kvm::Vm& vm, WhileHeld while_held) : vm_(vm), while_held_(std::move(while_held)) {}

  // Error: QEMU's words when the kernel has no slot left, else the kernel's. The slots are what
  // they were.
  Status OnMemory(const memory::GuestMemory& next) override;

 private:
  struct Slot {
    uint64_t gpa, size, host_address;
    bool readonly;
    friend bool operator==(const Slot&, const Slot&) = default;
  };

  Status CheckCount(size_t slots) const;
  // Puts the slot at the lowest free number, which is returned.
  Result<uint32_t> Add(const Slot& slot);
  void Remove(const std::vector<uint32_t>& numbers);

  kvm::Vm& vm_;
  const WhileHeld while_held_;
  std::vector<std::optional<Slot>> slots_;  // by number
};

}  // namespace davit::machine
