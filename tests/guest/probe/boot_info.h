// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the loader told the guest, in one form for both boot protocols: the Linux zero page
// (boot.rst, zero-page.rst, setup_data) and the PVH start info (Xen
// public/arch-x86/hvm/start_info.h).

#pragma once

#include <cstdint>

namespace probe {

constexpr uint32_t kMaxRanges = 64;
constexpr uint32_t kMaxCommandLine = 1024;

struct MemoryRange {
  uint64_t start;
  uint64_t size;
  uint32_t type;  // E820 types: 1 usable, 2 reserved, 3 ACPI, 4 NVS, 5 unusable
};

struct BootInfo {
  const char* protocol;
  uint32_t ranges;
  MemoryRange range[kMaxRanges];
  char command_line[kMaxCommandLine];
  uint64_t initrd_start;
  uint64_t initrd_size;
  uint64_t rsdp;         // 0: not told
  uint64_t device_tree;  // 0: none handed over
};

extern BootInfo boot_info;

// Copies everything out of the loader's structures. kind: BOOT_LINUX or BOOT_PVH.
void ReadBootInfo(uint32_t kind, uint64_t address);

void PrintMemoryMap();

// Writes a word at `address`, reads it back and restores it. Any address, also above 4 GiB.
bool TestWord(uint64_t address);

// Writes and reads back a word at both ends of each usable range (and above 4 GiB through a
// window). Prints one line per range.
void TestMemory();

}  // namespace probe
