// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The q35's ACPI tables: a full platform (ACPI 6.4, 4.8) with the ICH9's PM block, and PCI Express
// with hot-plug of its own or by ACPI. RSDP, XSDT, FADT, FACS, MADT, MCFG, WAET and DSDT, and with
// NUMA nodes SRAT and SLIT. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/acpi/acpi.h"
#include "vmm/boot/acpi/blob.h"
#include "vmm/boot/q35_layout.h"

namespace davit::boot {

// A slot of PCI Express whose cards come and go by ACPI.
struct Q35PciSlot {
  std::vector<uint8_t> ports;  // devfns from the root bus on; the last is that of the slot's port
  uint32_t bus = 0;            // number in the registers
};

struct Q35AcpiConfig {
  std::vector<AcpiCpu> cpus;  // index = processor UID; those that are not there are not enabled
  uint64_t ram_below_4g = 0;  // bytes
  uint64_t hole64_base = 0;
  uint64_t hole64_size = 0;  // bytes; 0: no window above 4 GiB
  std::array<bool, 4> serials{};
  bool pic = true;            // two 8259s are there
  uint32_t memory_slots = 0;  // for DIMMs; 0: no memory hot-plug
  // By NUMA node, bytes of RAM from the start of it on; in sum all of it. Empty: there are none.
  std::vector<uint64_t> numa_nodes;
  std::vector<uint8_t> numa_distances;  // row by row; empty: all are as near
  DeviceMemoryWindow device_memory;     // where memory can be plugged
  // nullopt: PCI Express slots are served by their own registers.
  std::optional<std::vector<Q35PciSlot>> pci_slots;
};

struct Q35Acpi {
  std::vector<std::byte> rsdp;  // XSDT address and checksums as for a blob at 0
  acpi::Blob tables;
};

Q35Acpi BuildQ35Acpi(const Q35AcpiConfig& config);

// RSDP and tables at kAcpiTablesBase. Error: they do not fit.
Result<AcpiImage> PlaceQ35Acpi(const Q35Acpi& acpi);

// The DSDT alone, as a table with header.
std::vector<std::byte> BuildQ35Dsdt(const Q35AcpiConfig& config);

}  // namespace davit::boot
