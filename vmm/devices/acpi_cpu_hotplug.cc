// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See acpi_cpu_hotplug.h.
#include "vmm/devices/acpi_cpu_hotplug.h"

#include <algorithm>
#include <utility>

#include "vmm/base/endian.h"
#include "vmm/devices/acpi_ost.h"

namespace davit::devices {
namespace {

// Of the interface of one CPU at a time.
constexpr uint64_t kSelector = 0, kFlags = 4, kCommand = 5, kData = 8, kModernPorts = 12;
constexpr uint8_t kPresent = 1 << 0, kInserting = 1 << 1, kRemoving = 1 << 2, kEject = 1 << 3,
                  kFirmware = 1 << 4;
constexpr uint8_t kCommands = 4;

}  // namespace

AcpiCpuHotplug::AcpiCpuHotplug(const std::vector<uint32_t>& apic_ids, Callbacks callbacks)
    : callbacks_(std::move(callbacks)), size_(apic_ids.size()), cpus_(apic_ids.size()) {
  for (size_t i = 0; i < apic_ids.size(); ++i) cpus_[i].apic_id = apic_ids[i];
}

void AcpiCpuHotplug::Plug(uint32_t index, bool hotplugged) {
  {
    const std::lock_guard lock(mutex_);
    Cpu& cpu = cpus_[index];
    cpu.present = true;
    // A removal that the guest was asked for was of another CPU.
    cpu.removing = cpu.asked = false;
    cpu.inserting = hotplugged && modern_;
  }
  if (hotplugged) callbacks_.event();
}

void AcpiCpuHotplug::Unplug(uint32_t index) {
  const std::lock_guard lock(mutex_);
  cpus_[index].present = false;
  cpus_[index].inserting = false;
}

bool AcpiCpuHotplug::RequestRemoval(uint32_t index) {
  {
    const std::lock_guard lock(mutex_);
    if (!modern_) return false;
    cpus_[index].removing = cpus_[index].asked = true;
  }
  callbacks_.event();
  return true;
}

bool AcpiCpuHotplug::modern() const {
  const std::lock_guard lock(mutex_);
  return modern_;
}

AcpiCpuHotplug::Cpu AcpiCpuHotplug::cpu(uint32_t index) const {
  const std::lock_guard lock(mutex_);
  return cpus_[index];
}

// --- registers ---------------------------------------------------------------------------------

uint8_t AcpiCpuHotplug::BitmapByte(uint64_t offset) const {
  uint8_t byte = 0;
  for (const Cpu& cpu : cpus_) {
    if (cpu.present && cpu.apic_id / 8 == offset) {
      byte |= static_cast<uint8_t>(1U << cpu.apic_id % 8);
    }
  }
  return byte;
}

uint32_t AcpiCpuHotplug::ReadModern(uint64_t offset) const {
  if (selector_ >= cpus_.size()) return 0;
  const Cpu& cpu = cpus_[selector_];
  switch (offset) {
    case kFlags:
      return (cpu.present ? kPresent : 0U) | (cpu.inserting ? kInserting : 0U) |
             (cpu.removing ? kRemoving : 0U) | (cpu.firmware_ejects ? kFirmware : 0U);
    case kData:
      if (command_ == Command::kNextWithEvent) return selector_;
      return command_ == Command::kApicId ? cpu.apic_id : 0;
    default:
      return 0;
  }
}

void AcpiCpuHotplug::Read(uint64_t offset, std::span<uint8_t> data) {
  const std::lock_guard lock(mutex_);
  if (!modern_) {
    for (size_t i = 0; i < data.size(); ++i) data[i] = BitmapByte(offset + i);
  } else if (offset >= kModernPorts) {
    std::fill(data.begin(), data.end(), 0xff);
  } else {
    StoreLe(data.data(), data.size(), ReadModern(offset));
  }
}

void AcpiCpuHotplug::SelectNextWithEvent() {
  for (size_t step = 0; step < cpus_.size(); ++step) {
    const size_t index = (selector_ + step) % cpus_.size();
    const Cpu& cpu = cpus_[index];
    if (!cpu.inserting && !cpu.removing && !cpu.firmware_ejects) continue;
    selector_ = static_cast<uint32_t>(index);
    return;
  }
}

// One bit an access, the lowest one that means something.
bool AcpiCpuHotplug::WriteFlags(Cpu& cpu, uint8_t value) {
  const bool first = &cpu == &cpus_.front();
  if (value & kInserting) {
    cpu.inserting = false;
  } else if (value & kRemoving) {
    cpu.removing = false;
  } else if (value & kEject) {
    if (first || !cpu.present) return false;
    cpu.present = false;
    cpu.inserting = false;
    cpu.firmware_ejects = false;
    cpu.asked = false;
    return true;
  } else if (value & kFirmware) {
    if (!first && cpu.present) cpu.firmware_ejects = !cpu.firmware_ejects;
  }
  return false;
}

AcpiCpuHotplug::Act AcpiCpuHotplug::WriteModern(uint64_t offset, uint32_t value) {
  if (offset == kSelector) selector_ = value;
  // A selector that names no CPU holds up everything else.
  if (selector_ >= cpus_.size()) return Act::kNone;
  Cpu& cpu = cpus_[selector_];
  if (offset == kFlags) {
    return WriteFlags(cpu, static_cast<uint8_t>(value)) ? Act::kEject : Act::kNone;
  }
  if (offset == kCommand && value < kCommands) {
    command_ = static_cast<Command>(value);
    if (command_ == Command::kNextWithEvent) SelectNextWithEvent();
  }
  if (offset != kData) return Act::kNone;
  if (command_ == Command::kOstEvent) cpu.ost_event = value;
  if (command_ != Command::kOstStatus) return Act::kNone;
  cpu.ost_status = value;
  if (!cpu.asked || !RefusesEjection(cpu.ost_event, value)) return Act::kReport;
  cpu.asked = false;
  return Act::kRefuse;
}

void AcpiCpuHotplug::Write(uint64_t offset, std::span<const uint8_t> data) {
  Act act = Act::kNone;
  uint32_t index = 0;
  Cpu reported;
  {
    const std::lock_guard lock(mutex_);
    if (!modern_) {
      modern_ = offset == 0 && data[0] == 0;
      return;
    }
    if (data.size() > 4) return;
    act = WriteModern(offset, static_cast<uint32_t>(LoadLe(data.data(), data.size())));
    index = selector_;
    if (act == Act::kReport || act == Act::kRefuse) reported = cpus_[index];
  }
  if (act == Act::kEject) callbacks_.eject(index);
  if (act == Act::kReport || act == Act::kRefuse) callbacks_.reported(index, reported);
  if (act == Act::kRefuse && callbacks_.refused) callbacks_.refused(index);
}

}  // namespace davit::devices
