// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Start states (Linux boot.rst "64-bit boot protocol"; Xen docs/misc/pvh "PVH x86 start ABI").
#include "vmm/boot/entry.h"

#include "vmm/boot/pc_layout.h"

namespace davit::boot {
namespace {

constexpr uint64_t kCr0Pe = 1u << 0;
constexpr uint64_t kCr0Et = 1u << 4;
constexpr uint64_t kCr0Pg = 1u << 31;
constexpr uint64_t kCr4Pae = 1u << 5;
constexpr uint64_t kEferLme = 1u << 8;
constexpr uint64_t kEferLma = 1u << 10;
constexpr uint16_t kGdtEntries = 6;  // null, unused, code, data, TSS (2 slots in long mode)
static_assert(kGdtEntries * 8 <= kBootGdtSize);

}  // namespace

BootEntry MakeEntry(EntryKind kind) {
  BootEntry entry;
  entry.kind = kind;
  entry.rsp = kBootStackTop;
  entry.data = kBootData;
  entry.task = kBootTask;
  entry.gdt_base = kBootGdt;
  entry.gdt_limit = kGdtEntries * 8 - 1;
  entry.cr0 = kCr0Pe | kCr0Et;
  if (kind == EntryKind::kLinux64) {
    entry.code = kBootCode64;
    entry.cr0 |= kCr0Pg;
    entry.cr3 = kBootPageTables;
    entry.cr4 = kCr4Pae;
    entry.efer = kEferLme | kEferLma;
  } else {
    entry.code = kBootCode32;
  }
  return entry;
}

}  // namespace davit::boot
