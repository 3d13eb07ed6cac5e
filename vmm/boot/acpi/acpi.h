// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The microvm's ACPI tables: hardware-reduced (ACPI 6.4, 4.1), with what QEMU 7.2's microvm
// describes, and processor objects. RSDP, XSDT, FADT, MADT and DSDT in one blob at
// kAcpiTablesBase. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/microvm_layout.h"
#include "vmm/memory/guest_memory.h"

namespace davit::boot {

struct AcpiCpu {
  uint32_t apic_id = 0;
  bool enabled = true;                // false: may be plugged in later
  std::optional<uint32_t> node = {};  // NUMA; nullopt: there are none
};

struct AcpiConfig {
  std::vector<AcpiCpu> cpus;  // index = processor UID
  bool serial = true;         // COM1
  bool rtc = false;
  bool pic = false;    // two 8259s are there (MADT PC-AT compatibility)
  bool i8042 = false;  // a keyboard controller that a driver may use
  bool ioapic2 = false;
  VirtioMmioMap virtio;
  std::vector<size_t> virtio_slots;  // those with a device in them, each < virtio.slots
};

struct AcpiImage {
  uint64_t rsdp = 0;  // guest address
  uint64_t base = 0;  // guest address of bytes[0]
  std::vector<std::byte> bytes;
};

// Error: the tables do not fit into their place.
Result<AcpiImage> BuildAcpi(const AcpiConfig& config);

Status WriteAcpi(const memory::GuestMemory& memory, const AcpiImage& image);

// The DSDT alone, as a table with header.
std::vector<std::byte> BuildDsdt(const AcpiConfig& config);

}  // namespace davit::boot
