// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The part of a DSDT that belongs to DIMM slots: a device for each slot (PNP0C80; ACPI 6.4, 9.11)
// over the registers of vmm/devices/memory_hotplug.h, and the scan that tells the operating system
// which of them came or shall go. Pure.
#pragma once

#include <cstdint>

#include "vmm/boot/acpi/aml.h"

namespace davit::boot {

// Belongs into \\_SB. slots: 1 to 256, fewer or as many as the registers have. base: of their I/O
// ports.
aml::Term MemorySlots(uint32_t slots, uint16_t base);

// The scan, for the event that the registers raise. Any scope.
aml::Term ScanMemorySlots();

}  // namespace davit::boot
