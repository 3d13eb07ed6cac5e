// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads an ELF kernel and starts it by the PVH ABI. Modules: the first is the initrd; the second,
// with the command line "fdt", is the device tree, if there is one (the first is then there,
// empty, even without an initrd: kernels take the first module for the initrd).
#pragma once

#include "vmm/base/error.h"
#include "vmm/boot/payload.h"
#include "vmm/memory/guest_memory.h"

namespace davit::boot {

Result<LoadedKernel> LoadPvh(const memory::GuestMemory& memory, const LoadRequest& request);

}  // namespace davit::boot
