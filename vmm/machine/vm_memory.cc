// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vm_impl.h: memory that is plugged, and what the guest says of it.
#include <utility>

#include "vmm/devices/memory_hotplug.h"
#include "vmm/machine/vm_impl.h"

namespace davit::machine {
namespace {

// Reports of the guest that wait for the control thread; more are in the slots' state alone.
constexpr uint32_t kMostReports = 64;

control::AcpiSlotStatus ToStatus(const devices::MemoryHotplug::Report& report) {
  return {.type = control::AcpiSlotStatus::Type::kDimm,
          .device = report.id,
          .slot = std::to_string(report.slot),
          .source = report.source,
          .status = report.status};
}

}  // namespace

control::MemorySizeSummary VmImpl::MemorySize() const {
  control::MemorySizeSummary summary;
  summary.base_memory = base_memory_;
  if (memory_devices_) summary.plugged_memory = memory_devices_->plugged_bytes();
  return summary;
}

std::vector<control::MemoryDeviceInfo> VmImpl::MemoryDevices() const {
  return memory_devices_ ? memory_devices_->Describe() : std::vector<control::MemoryDeviceInfo>();
}

std::vector<control::NumaNodeInfo> VmImpl::NumaNodes() const {
  std::vector<control::NumaNodeInfo> infos;
  if (!numa_ || !built_) return infos;
  for (const Numa::Node& node : numa_->nodes()) infos.push_back({{}, node.size, 0});
  for (uint32_t i = 0; i < cpu_slots_->size(); ++i) {
    const auto node = cpu_slots_->NodeOf(i);
    if (node && cpu_slots_->at(i).present) infos[*node].cpus.push_back(i);
  }
  for (const control::MemoryDeviceInfo& device : MemoryDevices()) {
    const auto node = static_cast<size_t>(device.node);
    if (node >= infos.size()) continue;  // a machine without nodes
    infos[node].size += device.size;
    infos[node].plugged += device.size;
  }
  return infos;
}

std::vector<control::AcpiSlotStatus> VmImpl::DimmSlots() const {
  std::vector<control::AcpiSlotStatus> slots;
  const devices::MemoryHotplug* const registers = board_->memory_slots();
  if (registers == nullptr) return slots;
  for (const auto& report : registers->reports()) slots.push_back(ToStatus(report));
  return slots;
}

void VmImpl::DimmReported(const devices::MemoryHotplug::Report& report) {
  PostReport([report] { return ToStatus(report); });
}

void VmImpl::PostReport(std::function<control::AcpiSlotStatus()> report) {
  if (acpi_reports_.fetch_add(1) >= kMostReports) {
    --acpi_reports_;
    return;
  }
  RunSoon([this, report = std::move(report)] {
    --acpi_reports_;
    if (!ended_) Emit(control::AcpiDeviceOstEvent{report()});
  });
}

}  // namespace davit::machine
