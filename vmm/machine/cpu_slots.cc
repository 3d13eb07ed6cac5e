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

constexpr std::string_view kTypeSuffix = "-x86_64-cpu";

// An id of the device; nullopt: not given, or negative as its default is.
std::optional<uint32_t> IdOf(const control::DeviceSpec& spec, std::string_view name) {
  for (const auto& [key, value] : spec.properties) {
    if (key != name) continue;
    if (const auto* number = std::get_if<int64_t>(&value.value)) {
      if (*number >= 0) return static_cast<uint32_t>(*number);
    } else if (const auto* id = std::get_if<uint64_t>(&value.value)) {
      if (*id != UINT32_MAX) return static_cast<uint32_t>(*id);
    }
  }
  return std::nullopt;
}

// One level of the hierarchy as a device names it.
struct Level {
  const char* property;
  uint32_t cpu::ThreadId::*member;
};
constexpr std::array<Level, 4> kLevels = {{{"socket-id", &cpu::ThreadId::socket},
                                           {"die-id", &cpu::ThreadId::die},
                                           {"core-id", &cpu::ThreadId::core},
                                           {"thread-id", &cpu::ThreadId::thread}}};

}  // namespace

bool IsCpuDriver(const std::string& driver) { return driver.ends_with(kTypeSuffix); }

CpuSlots::CpuSlots(const cpu::Topology& topology, std::string type)
    : topology_(topology), type_(std::move(type)), slots_(topology.maxcpus) {
  for (uint32_t i = 0; i < slots_.size(); ++i) slots_[i].apic_id = topology_.ApicIdOf(i);
}

uint32_t CpuSlots::present() const {
  return static_cast<uint32_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.present; }));
}

Result<uint32_t> CpuSlots::ApicIdOf(const control::DeviceSpec& spec) const {
  if (const auto apic_id = IdOf(spec, "apic-id")) return *apic_id;
  const uint32_t counts[] = {topology_.sockets, topology_.dies, topology_.cores, topology_.threads};
  cpu::ThreadId place;
  for (size_t i = 0; i < kLevels.size(); ++i) {
    const Level& level = kLevels[i];
    std::optional<uint32_t> id = IdOf(spec, level.property);
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

// Ids beside apic-id say the same place.
Status CpuSlots::CheckIds(const control::DeviceSpec& spec, uint32_t apic_id,
                          const cpu::ThreadId& place) const {
  for (const Level& level : kLevels) {
    const std::optional<uint32_t> id = IdOf(spec, level.property);
    const uint32_t real = place.*level.member;
    if (!id || *id == real) continue;
    return Fail(fmt::format("property {}: {} doesn't match set apic-id: 0x{:x} ({}: {})",
                            level.property, *id, apic_id, level.property, real));
  }
  return {};
}

Result<uint32_t> CpuSlots::Find(const control::DeviceSpec& spec) const {
  // The type "host" is a kind of "max".
  if (spec.driver != type_ && !(type_.starts_with("max-") && spec.driver.starts_with("host-"))) {
    return Fail(fmt::format("Invalid CPU type, expected cpu type: '{}'", type_));
  }
  DAVIT_ASSIGN(const uint32_t apic_id, ApicIdOf(spec));
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
  DAVIT_TRY(CheckIds(spec, apic_id, topology_.IdOf(index)));
  return index;
}

std::optional<uint32_t> CpuSlots::FindPresent(const std::string& id_or_path) const {
  for (uint32_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    if (!slot.present) continue;
    if (slot.path == id_or_path || (!slot.id.empty() && slot.id == id_or_path)) return i;
  }
  return std::nullopt;
}

// As in QEMU, what the processors share for their APICs comes behind the first one.
void CpuSlots::FillAtStart(uint32_t index) {
  Fill(index, "", fmt::format("/machine/unattached/device[{}]", index == 0 ? 0 : index + 1));
}

void CpuSlots::Fill(uint32_t index, const std::string& id, const std::string& path) {
  Slot& slot = slots_[index];
  slot.present = true;
  slot.id = id;
  slot.path = path;
}

void CpuSlots::Clear(uint32_t index) {
  Slot& slot = slots_[index];
  slot.present = false;
  slot.id.clear();
  slot.path.clear();
}

control::CpuTopology CpuSlots::TopologyOf(uint32_t index) const {
  const cpu::ThreadId id = topology_.IdOf(index);
  std::optional<int64_t> die;
  if (topology_.dies > 1) die = id.die;
  return {.socket = id.socket, .die = die, .core = id.core, .thread = id.thread};
}

control::CpuInfo CpuSlots::InfoOf(uint32_t index, int64_t thread_id) const {
  return {.index = index,
          .host_tid = thread_id,
          .qom_path = slots_[index].path,
          .topology = TopologyOf(index)};
}

std::vector<control::HotpluggableCpu> CpuSlots::Describe() const {
  std::vector<control::HotpluggableCpu> rows;
  for (auto i = static_cast<uint32_t>(slots_.size()); i-- > 0;) {
    rows.push_back({.type = type_, .topology = TopologyOf(i), .qom_path = slots_[i].path});
  }
  return rows;
}

}  // namespace davit::machine
