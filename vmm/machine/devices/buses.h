// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The buses that a board has for devices made by name. Plain value; what it points to outlives the
// devices.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "vmm/bus/bus.h"

namespace davit::devices {
class AcpiPciHotplug;
}

namespace davit::pci {
class HostBridge;
}

namespace davit::machine {

// A window of virtio-mmio registers and its interrupt.
struct VirtioMmioSlot {
  uint64_t base = 0;
  uint32_t gsi = 0;
};

// A bus of the board's own devices, which few of the table can join, and none while the VM lives.
struct ClosedBus {
  std::string name;  // "isa.0"
  std::string type;  // "ISA"
};

struct BoardBuses {
  bus::Bus* mmio = nullptr;                 // where the slots are claimed
  std::vector<VirtioMmioSlot> virtio_mmio;  // virtio-mmio-bus.0, .1, ...
  size_t first_object = 0;                  // virtio_mmio[0] is /machine/unattached/device[this]
  pci::HostBridge* pci = nullptr;           // null: the board has no PCI
  std::string pci_object;                   // the host bridge is /machine/this: "q35"
  // By which the guest serves PCI Express slots; null: by the slots' own registers.
  devices::AcpiPciHotplug* acpi_slots = nullptr;
  std::vector<ClosedBus> others;
};

}  // namespace davit::machine
