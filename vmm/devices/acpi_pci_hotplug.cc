// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See acpi_pci_hotplug.h.
#include "vmm/devices/acpi_pci_hotplug.h"

#include <bit>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/endian.h"

namespace davit::devices {
namespace {

constexpr uint64_t kCame = 0x00, kLeaving = 0x04, kEject = 0x08, kRemovable = 0x0c,
                   kSelector = 0x10;

}  // namespace

uint32_t AcpiPciHotplug::AddBus(std::function<void(uint32_t slot)> eject) {
  const std::lock_guard lock(mutex_);
  buses_.push_back({.eject = std::move(eject)});
  return static_cast<uint32_t>(buses_.size() - 1);
}

void AcpiPciHotplug::RemoveBus(uint32_t bus) {
  const std::lock_guard no_eject(eject_mutex_);
  const std::lock_guard lock(mutex_);
  buses_.at(bus) = {};
}

void AcpiPciHotplug::Plug(uint32_t bus, uint32_t slot) {
  DAVIT_CHECK(slot < kSlots);
  {
    const std::lock_guard lock(mutex_);
    Bus& slots = buses_.at(bus);
    slots.came |= uint32_t{1} << slot;
    slots.leaving &= ~(uint32_t{1} << slot);
  }
  raise_();
}

void AcpiPciHotplug::RequestEject(uint32_t bus, uint32_t slot) {
  DAVIT_CHECK(slot < kSlots);
  {
    const std::lock_guard lock(mutex_);
    buses_.at(bus).leaving |= uint32_t{1} << slot;
  }
  raise_();
}

void AcpiPciHotplug::Reset() {
  const std::lock_guard lock(mutex_);
  selector_ = 0;
  for (Bus& bus : buses_) bus.came = bus.leaving = 0;
}

uint32_t AcpiPciHotplug::Value(uint64_t offset) {
  if (offset == kSelector) return selector_;
  Bus* const bus = selected();
  if (bus == nullptr) return 0;
  switch (offset) {
    case kCame:
      return std::exchange(bus->came, 0);
    case kLeaving:
      return bus->leaving;
    case kRemovable:
      return ~uint32_t{0};
    default:
      return 0;
  }
}

void AcpiPciHotplug::Read(uint64_t offset, std::span<uint8_t> data) {
  const std::lock_guard lock(mutex_);
  StoreLe(data.data(), data.size(), Value(offset));
}

void AcpiPciHotplug::Write(uint64_t offset, std::span<const uint8_t> data) {
  const auto value = static_cast<uint32_t>(LoadLe(data.data(), data.size()));
  if (offset == kSelector) {
    const std::lock_guard lock(mutex_);
    selector_ = value;
    return;
  }
  if (offset != kEject || value == 0) return;
  const auto slot = static_cast<uint32_t>(std::countr_zero(value));
  std::function<void(uint32_t)> eject;
  const std::lock_guard ejecting(eject_mutex_);
  {
    const std::lock_guard lock(mutex_);
    Bus* const bus = selected();
    if (bus == nullptr) return;
    const uint32_t bit = uint32_t{1} << slot;
    bus->came &= ~bit;
    bus->leaving &= ~bit;
    eject = bus->eject;
  }
  eject(slot);
}

}  // namespace davit::devices
