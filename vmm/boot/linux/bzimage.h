// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads a bzImage by the 64-bit boot protocol (Documentation/arch/x86/boot.rst, "64-bit Boot
// Protocol"). The file is untrusted: every field is checked before it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/image.h"
#include "vmm/boot/payload.h"
#include "vmm/memory/guest_memory.h"

namespace davit::boot {

// What of a setup header matters, checked.
struct BzImage {
  std::vector<std::byte> header;  // from 0x1f1 on, as boot_params takes it
  uint64_t kernel_offset = 0;     // bytes into the file: the protected-mode code
  uint64_t kernel_size = 0;       // bytes
  uint64_t run_end = 0;           // guest address behind what it needs to unpack itself
  uint64_t initrd_limit = 0;      // initrd and setup_data end at or below this address
  uint64_t cmdline_max = 0;       // characters
};

// Whether the file has the boot signature and "HdrS" at all.
bool IsBzImage(const Image& kernel);

// Error: "invalid kernel header" and why.
Result<BzImage> ParseBzImage(const Image& kernel);

Result<LoadedKernel> LoadBzImage(const memory::GuestMemory& memory, const LoadRequest& request);

}  // namespace davit::boot
