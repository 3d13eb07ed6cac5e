// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The guest's flattened device tree (Devicetree Specification 0.4; Linux bindings): the microvm's
// own, or the operator's (-dtb) completed with what only the VMM knows. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/image.h"
#include "vmm/boot/memory_map.h"
#include "vmm/boot/microvm_layout.h"
#include "vmm/boot/payload.h"

namespace davit::boot {

struct FdtConfig {
  std::vector<uint32_t> apic_ids;  // of the vCPUs that are there
  std::vector<MemoryRange> ram;    // RamRanges()
  std::string bootargs;
  GuestRange initrd;  // size 0: none
  bool serial = true;
  bool rtc = false;
  bool ged = true;  // the event device's sleep and reset registers are there (ACPI on)
  bool ioapic2 = false;
  VirtioMmioMap virtio;
  std::vector<size_t> virtio_slots;  // those with a device; the others are told as disabled
};

// The tree that describes the machine itself.
std::vector<std::byte> BuildFdt(const FdtConfig& config);

// `dtb` with memory nodes whose size is zero (or that are missing) given the machine's RAM, and
// with bootargs and initrd in /chosen. Error: the file cannot be read; it is no sound tree (with
// libfdt's reason); its cells cannot hold the machine's addresses.
Result<std::vector<std::byte>> CompleteFdt(const FdtConfig& config, const Image& dtb);

// The bytes of the file, which is a sound tree; errors as CompleteFdt's.
Result<std::vector<std::byte>> ReadFdt(const Image& dtb);

// Whether the bytes are a sound tree as a whole; the Error is libfdt's reason ("FDT_ERR_...").
Status CheckFdt(const std::vector<std::byte>& tree);

}  // namespace davit::boot
