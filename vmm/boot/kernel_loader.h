// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads whatever -kernel names: a bzImage (64-bit boot protocol) or an ELF file with a PVH note.
#pragma once

#include "vmm/base/error.h"
#include "vmm/boot/payload.h"
#include "vmm/memory/guest_memory.h"

namespace davit::boot {

// Writes kernel, initrd, tables and boot structures into guest RAM. Callable again at each reset.
// After an Error guest RAM holds parts of it; the machine must not start.
Result<LoadedKernel> LoadKernel(const memory::GuestMemory& memory, const LoadRequest& request);

}  // namespace davit::boot
