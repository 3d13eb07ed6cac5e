// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See cpu_slots.h.
#include "vmm/machine/cpu_slots.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace davit::machine {
namespace {

// One level of the hierarchy as a device names it.
struct Level {
  const char* property;
  std::optional<uint32_t> CpuIds::*id;
  uint32_t cpu::ThreadId::*member;
};
constexpr std::array<Level, 4> kLevels = {{{"socket-id", &CpuIds::socket, &cpu::ThreadId::socket},
                                           {"die-id", &CpuIds::die, &cpu::ThreadId::die},
                                           {"core-id", &CpuIds::core, &cpu::ThreadId::core},
                                           {"thread-id", &CpuIds::thread, &cpu::ThreadId::thread}}};

// Ids beside apic-id must say the same place.
Status CheckIds(const CpuIds& ids, uint32_t apic_id, const cpu::ThreadId& place) {
  for (const Level& level : kLevels) {
    const std::optional<uint32_t> id = ids.*level.id;
    const uint32_t real = place.*level.member;
    if (!id || *id == real) continue;
    return Fail(fmt::format("property {}: {} doesn't match set apic-id: 0x{:x} ({}: {})",
                            level.property, *id, apic_id, level.property, real));
  }
  return {};
}

}  // namespace

CpuSlots::CpuSlots(const cpu::Topology& topology, std::string type, const Numa* numa)
    : topology_(topology), type_(std::move(type)), numa_(numa), slots_(topology.maxcpus) {
  for (uint32_t i = 0; i < slots_.size(); ++i) slots_[i].apic_id = topology_.ApicIdOf(i);
}

uint32_t CpuSlots::present() const {
  return static_cast<uint32_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.present; }));
}

Result<uint32_t> CpuSlots::ApicIdOf(const CpuIds& ids) const {
  if (ids.apic) return *ids.apic;
  const uint32_t counts[] = {topology_.sockets, topology_.dies, topology_.cores, topology_.threads};
  cpu::ThreadId place;
  for (size_t i = 0; i < kLevels.size(); ++i) {
    const Level& level = kLevels[i];
    std::optional<uint32_t> id = ids.*level.id;
    if (!id && level.member == &cpu::ThreadId::die && topology_.dies == 1) id = 0;
    if (!id) return Fail(fmt::format("CPU {} is not set", level.property));
    if (*id >= counts[i]) {
      return Fail(fmt::format("Invalid CPU {}: {} must be in range 0:{}", level.property, *id,
                              counts[i] - 1));
    }
    place.*level.member = *id;
  }
  return topology_.ApicIdOf(place);
}

Result<uint32_t> CpuSlots::Find(const std::string& driver, const CpuIds& ids) const {
  // The type "host" is a kind of "max".
  if (driver != type_ && !(type_.starts_with("max-") && driver.starts_with("host-"))) {
    return Fail(fmt::format("Invalid CPU type, expected cpu type: '{}'", type_));
  }
  DAVIT_ASSIGN(const uint32_t apic_id, ApicIdOf(ids));
  const auto slot = std::find_if(slots_.begin(), slots_.end(), [apic_id](const Slot& candidate) {
    return candidate.apic_id == apic_id;
  });
  if (slot == slots_.end()) {
    const cpu::ThreadId place = topology_.PlaceOf(apic_id);
    return Fail(
        fmt::format("Invalid CPU [socket: {}, die: {}, core: {}, thread: {}] with APIC ID {}, "
                    "valid index range 0:{}",
                    place.socket, place.die, place.core, place.thread, apic_id, slots_.size() - 1));
  }
  const auto index = static_cast<uint32_t>(slot - slots_.begin());
  if (slot->present) return Fail(fmt::format("CPU[{}] with APIC ID {} exists", index, apic_id));
  DAVIT_TRY(CheckIds(ids, apic_id, topology_.IdOf(index)));
  const auto node = static_cast<int64_t>(NodeOf(index).value_or(0));
  if (ids.node && *ids.node != node) return Fail(fmt::format("invalid node-id, must be {}", node));
  return index;
}

std::optional<uint32_t> CpuSlots::FindPresent(const std::string& path) const {
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].present && slots_[i].path == path) return i;
  }
  return std::nullopt;
}

// As in QEMU, what the processors share for their APICs comes behind the first one.
void CpuSlots::FillAtStart(uint32_t index) {
  slots_[index].present = true;
  slots_[index].path = fmt::format("/machine/unattached/device[{}]", index == 0 ? 0 : index + 1);
}

void CpuSlots::Fill(uint32_t index, const CpuHost::Device& device) {
  Slot& slot = slots_[index];
  slot.present = true;
  slot.id = device.id;
  slot.path = device.path;
  slot.ejected = device.ejected;
}

void CpuSlots::Clear(uint32_t index) {
  Slot& slot = slots_[index];
  slot.present = false;
  slot.id.clear();
  slot.path.clear();
  slot.ejected = nullptr;
}

control::CpuTopology CpuSlots::TopologyOf(uint32_t index) const {
  const cpu::ThreadId id = topology_.IdOf(index);
  std::optional<int64_t> die;
  if (topology_.dies > 1) die = id.die;
  std::optional<int64_t> node;
  if (const auto number = NodeOf(index)) node = *number;
  return {.socket = id.socket, .die = die, .core = id.core, .thread = id.thread, .node = node};
}

control::CpuInfo CpuSlots::InfoOf(uint32_t index, int64_t thread_id) const {
  return {.index = index,
          .host_tid = thread_id,
          .qom_path = slots_[index].path,
          .topology = TopologyOf(index)};
}

std::vector<control::HotpluggableCpu> CpuSlots::Describe() const {
  std::vector<control::HotpluggableCpu> rows;
  rows.reserve(slots_.size());
  for (auto i = static_cast<uint32_t>(slots_.size()); i-- > 0;) {
    rows.push_back({.type = type_, .topology = TopologyOf(i), .qom_path = slots_[i].path});
  }
  return rows;
}

}  // namespace davit::machine
