// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The CPUs that a machine can have, one a thread of the topology (QEMU's possible CPUs), and which
// of them are there: where a CPU device goes by its ids, and what queries show. Knows no vCPU.
// Owner: control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/control/types.h"
#include "vmm/cpu/topology.h"
#include "vmm/machine/cpu_host.h"
#include "vmm/machine/numa.h"

namespace davit::machine {

class CpuSlots {
 public:
  struct Slot {
    uint32_t apic_id = 0;
    bool present = false;
    std::string id;                 // of the device; empty: it has none, or nothing is there
    std::string path;               // QOM
    std::function<void()> ejected;  // CpuHost::Device; empty: it is no device of its own
  };

  // type: of every CPU, "host-x86_64-cpu". numa: outlives this; null: there are no nodes.
  CpuSlots(const cpu::Topology& topology, std::string type, const Numa* numa = nullptr);

  size_t size() const { return slots_.size(); }
  const Slot& at(uint32_t index) const { return slots_[index]; }
  const std::string& type() const { return type_; }
  uint32_t present() const;  // how many

  // The index of the empty slot that the ids name. Error, in QEMU's words: another type
  // of CPU, an id missing or out of range, ids that contradict each other, a slot that is taken.
  Result<uint32_t> Find(const std::string& driver, const CpuIds& ids) const;
  // The one of this QOM path; nullopt: there is none.
  std::optional<uint32_t> FindPresent(const std::string& path) const;

  // A CPU that the machine starts with: named as QEMU names it.
  void FillAtStart(uint32_t index);
  void Fill(uint32_t index, const CpuHost::Device& device);
  void Clear(uint32_t index);

  std::optional<uint32_t> NodeOf(uint32_t index) const {
    return numa_ != nullptr ? numa_->NodeOf(index) : std::nullopt;
  }
  control::CpuTopology TopologyOf(uint32_t index) const;
  control::CpuInfo InfoOf(uint32_t index, int64_t thread_id) const;
  // The highest index first.
  std::vector<control::HotpluggableCpu> Describe() const;

 private:
  Result<uint32_t> ApicIdOf(const CpuIds& ids) const;

  const cpu::Topology topology_;
  const std::string type_;
  const Numa* const numa_;
  std::vector<Slot> slots_;
};

}  // namespace davit::machine
