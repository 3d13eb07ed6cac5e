// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// GDT and identity map (Intel SDM vol. 3, 3.4.5 and 4.5).
#include "vmm/boot/boot_tables.h"

#include <array>
#include <span>

#include "vmm/base/endian.h"
#include "vmm/boot/pc_layout.h"

namespace davit::boot {
namespace {

using memory::GuestAddress;
using Table = std::array<le64, 512>;
static_assert(sizeof(Table) == kPageSize);

constexpr uint64_t kPresentWritable = 0x3;
constexpr uint64_t kLargePage = 0x80;
constexpr size_t kDirectories = 4;
static_assert((2 + kDirectories) * kPageSize == kBootPageTablesSize);

Status WriteGdt(const memory::GuestMemory& memory, const BootEntry& entry) {
  std::array<le64, 8> gdt{};
  gdt[entry.code.selector / 8] = entry.code.Descriptor();
  gdt[entry.data.selector / 8] = entry.data.Descriptor();
  gdt[entry.task.selector / 8] = entry.task.Descriptor();
  static_assert(sizeof(gdt) == kBootGdtSize);
  return memory.Write(GuestAddress{entry.gdt_base}, gdt);
}

Status WritePageTables(const memory::GuestMemory& memory, uint64_t root) {
  Table table{};
  table[0] = (root + kPageSize) | kPresentWritable;
  DAVIT_TRY(memory.Write(GuestAddress{root}, table));
  table = {};
  for (size_t i = 0; i < kDirectories; ++i) {
    table[i] = (root + (2 + i) * kPageSize) | kPresentWritable;
  }
  DAVIT_TRY(memory.Write(GuestAddress{root + kPageSize}, table));
  uint64_t page = 0;
  for (size_t i = 0; i < kDirectories; ++i) {
    for (le64& leaf : table) {
      leaf = page | kPresentWritable | kLargePage;
      page += 2 * kMiB;
    }
    DAVIT_TRY(memory.Write(GuestAddress{root + (2 + i) * kPageSize}, table));
  }
  return {};
}

}  // namespace

Status WriteBootTables(const memory::GuestMemory& memory, const BootEntry& entry) {
  DAVIT_TRY(WriteGdt(memory, entry));
  if (entry.cr3 != 0) DAVIT_TRY(WritePageTables(memory, entry.cr3));
  return {};
}

}  // namespace davit::boot
