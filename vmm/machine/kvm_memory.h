// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// KVM's memory slots follow the table of guest RAM: one slot a region. Slots of regions that stay
// are not touched, so vCPUs go on. Owner: control thread; the VM outlives this, and the mapping of
// a region its slot, since a table is given up only after the next one is in place.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "vmm/kvm/kvm.h"
#include "vmm/memory/live_memory.h"

namespace davit::machine {

class KvmMemory final : public memory::LiveMemory::Listener {
 public:
  explicit KvmMemory(kvm::Vm& vm) : vm_(vm) {}

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
  void Remove(uint32_t number);

  kvm::Vm& vm_;
  std::vector<std::optional<Slot>> slots_;  // by number
};

}  // namespace davit::machine
