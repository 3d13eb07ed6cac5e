// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes the descriptor and page tables that a BootEntry points at.
#pragma once

#include "vmm/base/error.h"
#include "vmm/boot/entry.h"
#include "vmm/memory/guest_memory.h"

namespace davit::boot {

// The GDT with the segments of `entry`, and for long mode the identity map of the first 4 GiB.
Status WriteBootTables(const memory::GuestMemory& memory, const BootEntry& entry);

}  // namespace davit::boot
