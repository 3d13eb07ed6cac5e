// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// PVH: segments into guest RAM, start info beside them.
#include "vmm/boot/pvh/pvh.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

#include "vmm/boot/boot_tables.h"
#include "vmm/boot/memory_map.h"
#include "vmm/boot/pc_layout.h"
#include "vmm/boot/pvh/elf.h"
#include "vmm/boot/pvh/start_info.h"

namespace davit::boot {
namespace {

using memory::GuestAddress;

// Within the page at kBootStartInfo.
constexpr uint64_t kModules = kBootStartInfo + 0x40;
constexpr uint64_t kFdtModuleName = kBootStartInfo + 0x80;
constexpr uint64_t kMemmap = kBootStartInfo + 0x100;
constexpr size_t kMemmapMax =
    (kBootStartInfo + kBootStartInfoSize - kMemmap) / sizeof(pvh::MemmapEntry);
constexpr char kFdtName[] = "fdt";
static_assert(sizeof(pvh::StartInfo) <= kModules - kBootStartInfo);
static_assert(kModules + 2 * sizeof(pvh::ModuleEntry) <= kFdtModuleName);

Status LoadSegment(const memory::GuestMemory& memory, const Image& kernel,
                   const ElfSegment& segment) {
  if (segment.address < kHighMemoryStart) {
    return Fail(fmt::format("Error while loading elf kernel: segment at {:#x} lies below 1 MiB",
                            segment.address));
  }
  if (!memory.Contains(GuestAddress{segment.address}, segment.memory_size)) {
    return Fail(fmt::format(
        "not enough RAM for kernel '{}': its segment at {:#x} of {} KiB is outside guest RAM",
        kernel.name(), segment.address, AlignUp(segment.memory_size, kKiB) / kKiB));
  }
  DAVIT_TRY(kernel.LoadInto(memory, GuestAddress{segment.address}, segment.file_offset,
                            segment.file_size));
  return memory.Fill(GuestAddress{segment.address + segment.file_size},
                     segment.memory_size - segment.file_size, std::byte{0});
}

Result<uint32_t> WriteModules(const memory::GuestMemory& memory, const PlacedPayload& payload) {
  std::array<pvh::ModuleEntry, 2> modules{};
  modules[0].paddr = payload.initrd.base;
  modules[0].size = payload.initrd.size;
  modules[1].paddr = payload.fdt.base;
  modules[1].size = payload.fdt.size;
  modules[1].cmdline_paddr = kFdtModuleName;
  DAVIT_TRY(memory.Write(GuestAddress{kModules}, modules));
  DAVIT_TRY(memory.Write(GuestAddress{kFdtModuleName}, std::as_bytes(std::span(kFdtName))));
  if (payload.fdt.size != 0) return 2;
  return payload.initrd.size != 0 ? 1 : 0;
}

Result<uint32_t> WriteMemmap(const memory::GuestMemory& memory,
                             std::span<const MemoryRange> reserved) {
  const std::vector<MemoryRange> map = BuildMemoryMap(memory, reserved);
  if (map.size() > kMemmapMax) {
    return Fail(
        fmt::format("guest memory has too many pieces (max: {}, need {})", kMemmapMax, map.size()));
  }
  std::vector<pvh::MemmapEntry> entries;
  entries.reserve(map.size());
  for (const MemoryRange& range : map) {
    entries.push_back({range.base, range.size, static_cast<uint32_t>(range.type), 0});
  }
  DAVIT_TRY(memory.Write(GuestAddress{kMemmap}, std::as_bytes(std::span(entries))));
  return static_cast<uint32_t>(entries.size());
}

Status WriteStartInfo(const memory::GuestMemory& memory, const LoadRequest& request,
                      const PlacedPayload& payload) {
  pvh::StartInfo info{};
  info.magic = pvh::kMagic;
  info.version = pvh::kVersion;
  DAVIT_ASSIGN(info.nr_modules, WriteModules(memory, payload));
  info.modlist_paddr = info.nr_modules == 0 ? 0 : kModules;
  info.cmdline_paddr = kBootCmdline;
  info.rsdp_paddr = request.rsdp;
  DAVIT_ASSIGN(info.memmap_entries, WriteMemmap(memory, request.reserved));
  info.memmap_paddr = kMemmap;
  return memory.Write(GuestAddress{kBootStartInfo}, info);
}

}  // namespace

Result<LoadedKernel> LoadPvh(const memory::GuestMemory& memory, const LoadRequest& request) {
  DAVIT_ASSIGN(const ElfImage image, ParseElf(*request.kernel));
  DAVIT_TRY(CheckLowMemory(memory));
  uint64_t kernel_start = UINT64_MAX;
  uint64_t kernel_end = 0;
  for (const ElfSegment& segment : image.segments) {
    DAVIT_TRY(LoadSegment(memory, *request.kernel, segment));
    kernel_start = std::min(kernel_start, segment.address);
    // Segments above 4 GiB are in nobody's way.
    if (segment.address < kRamAbove4GBase) kernel_end = std::max(kernel_end, segment.end());
  }
  DAVIT_TRY(WriteCmdline(memory, request.cmdline, kBootCmdlineMax - 1));
  DAVIT_ASSIGN(PlacedPayload payload,
               PlacePayload(memory, request, AlignUp(kernel_end, kPageSize), kRamAbove4GBase, 0));
  DAVIT_TRY(WriteStartInfo(memory, request, payload));

  LoadedKernel loaded;
  loaded.entry = MakeEntry(EntryKind::kPvh32);
  loaded.entry.rip = image.pvh_entry;
  loaded.entry.rbx = kBootStartInfo;
  DAVIT_TRY(WriteBootTables(memory, loaded.entry));
  loaded.kernel = {kernel_start, kernel_end - kernel_start};
  loaded.initrd = payload.initrd;
  loaded.fdt = payload.fdt;
  loaded.fdt_blob = std::move(payload.fdt_blob);
  return loaded;
}

}  // namespace davit::boot
