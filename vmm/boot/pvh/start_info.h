// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Wire structures of the PVH start ABI (Xen's public/arch-x86/hvm/start_info.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "vmm/base/endian.h"

namespace davit::boot::pvh {

inline constexpr uint32_t kMagic = 0x336ec578;
inline constexpr uint32_t kVersion = 1;  // with a memory map

struct StartInfo {
  le32 magic;
  le32 version;
  le32 flags;
  le32 nr_modules;
  le64 modlist_paddr;
  le64 cmdline_paddr;
  le64 rsdp_paddr;
  le64 memmap_paddr;
  le32 memmap_entries;
  le32 reserved;
};
static_assert(sizeof(StartInfo) == 56);
static_assert(offsetof(StartInfo, memmap_paddr) == 40);

struct ModuleEntry {
  le64 paddr;
  le64 size;
  le64 cmdline_paddr;
  le64 reserved;
};
static_assert(sizeof(ModuleEntry) == 32);

struct MemmapEntry {
  le64 addr;
  le64 size;
  le32 type;
  le32 reserved;
};
static_assert(sizeof(MemmapEntry) == 24);

}  // namespace davit::boot::pvh
