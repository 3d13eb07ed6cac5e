// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the DSDT says of slots whose cards come and go by ACPI (vmm/devices/acpi_pci_hotplug.h): the
// ports that they are behind, each with its slot and _EJ0 (ACPI 6.4, 6.3.3), one inside the other
// where a port is the card of another's slot, and the method that asks which have changed. All of
// it belongs into \_SB.PCI0. Pure.
#pragma once

#include <cstdint>
#include <span>

#include "vmm/boot/acpi/aml.h"
#include "vmm/boot/acpi/q35.h"

namespace davit::boot {

// base: of the registers' ports.
aml::Terms PciSlots(std::span<const Q35PciSlot> slots, uint16_t base);
// For the event's method.
aml::Terms ScanPciSlots();

}  // namespace davit::boot
