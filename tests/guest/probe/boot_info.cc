// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "boot_info.h"

#include "console.h"
#include "io.h"
#include "layout.h"

extern "C" uint64_t window_directory[512];

namespace probe {

BootInfo boot_info;

namespace {

// --- Linux: offsets in struct boot_params
// ----------------------------------------------------------
constexpr uint64_t kRsdpAddress = 0x070;
constexpr uint64_t kExtRamdiskImage = 0x0c0;
constexpr uint64_t kExtCommandLine = 0x0c8;
constexpr uint64_t kE820Entries = 0x1e8;
constexpr uint64_t kRamdiskImage = 0x218;
constexpr uint64_t kCommandLine = 0x228;
constexpr uint64_t kSetupData = 0x250;
constexpr uint64_t kE820Table = 0x2d0;
constexpr uint32_t kSetupDataDtb = 2;

// --- PVH: offsets in struct hvm_start_info
// ---------------------------------------------------------
constexpr uint32_t kPvhMagic = 0x336ec578;

constexpr uint64_t kWindow = uint64_t{4} << 30;
constexpr uint64_t kLargePage = uint64_t{2} << 20;

void AddRange(uint64_t start, uint64_t size, uint32_t type) {
  if (size == 0) return;
  if (boot_info.ranges < kMaxRanges) boot_info.range[boot_info.ranges++] = {start, size, type};
}

void CopyCommandLine(uint64_t address) {
  if (address == 0) return;
  const char* from = At<char>(address);
  uint32_t i = 0;
  for (; i + 1 < kMaxCommandLine && from[i] != 0; ++i) boot_info.command_line[i] = from[i];
  boot_info.command_line[i] = 0;
}

void ReadZeroPage(const uint8_t* page) {
  boot_info.protocol = "linux";
  boot_info.rsdp = Load64(page + kRsdpAddress);
  for (uint32_t i = 0; i < page[kE820Entries]; ++i) {
    const uint8_t* entry = page + kE820Table + i * 20;
    AddRange(Load64(entry), Load64(entry + 8), Load32(entry + 16));
  }
  CopyCommandLine(Load32(page + kCommandLine) | (uint64_t{Load32(page + kExtCommandLine)} << 32));
  boot_info.initrd_start =
      Load32(page + kRamdiskImage) | (uint64_t{Load32(page + kExtRamdiskImage)} << 32);
  boot_info.initrd_size =
      Load32(page + kRamdiskImage + 4) | (uint64_t{Load32(page + kExtRamdiskImage + 4)} << 32);
  // struct setup_data { u64 next; u32 type; u32 len; u8 data[]; }, a bounded walk.
  uint64_t data = Load64(page + kSetupData);
  for (int i = 0; i < 32 && data != 0 && data < kWindow; ++i) {
    const uint8_t* node = At<uint8_t>(data);
    if (Load32(node + 8) == kSetupDataDtb) boot_info.device_tree = data + 16;
    data = Load64(node);
  }
}

void ReadStartInfo(const uint8_t* info) {
  boot_info.protocol = "pvh";
  if (Load32(info) != kPvhMagic) return;
  const uint32_t version = Load32(info + 4);
  if (Load32(info + 12) > 0) {  // modules: the first is the initrd
    const uint8_t* module = At<uint8_t>(Load64(info + 16));
    boot_info.initrd_start = Load64(module);
    boot_info.initrd_size = Load64(module + 8);
  }
  CopyCommandLine(Load64(info + 24));
  boot_info.rsdp = Load64(info + 32);
  if (version < 1) return;
  const uint8_t* table = At<uint8_t>(Load64(info + 40));
  for (uint32_t i = 0; i < Load32(info + 48); ++i) {
    AddRange(Load64(table + i * 24), Load64(table + i * 24 + 8), Load32(table + i * 24 + 16));
  }
}

// A pointer to the byte at `address`, through the window when it lies above the identity map.
volatile uint64_t* MapWord(uint64_t address) {
  if (address < kWindow) return reinterpret_cast<volatile uint64_t*>(address);
  window_directory[0] = (address & ~(kLargePage - 1)) | 0x83;
  asm volatile("invlpg (%0)" : : "r"(kWindow) : "memory");
  return reinterpret_cast<volatile uint64_t*>(kWindow + (address & (kLargePage - 1)));
}

}  // namespace

bool TestWord(uint64_t address) {
  volatile uint64_t* word = MapWord(address);
  const uint64_t old = *word;
  const uint64_t pattern = 0x5a5aa5a500000000 ^ address;
  *word = pattern;
  const bool ok = *word == pattern;
  *word = old;
  return ok;
}

void ReadBootInfo(uint32_t kind, uint64_t address) {
  if (kind == BOOT_LINUX) {
    ReadZeroPage(At<uint8_t>(address));
  } else {
    ReadStartInfo(At<uint8_t>(address));
  }
}

void PrintMemoryMap() {
  static const char* const kNames[] = {"?",         "usable",   "reserved",
                                       "ACPI data", "ACPI NVS", "unusable"};
  uint64_t usable = 0;
  for (uint32_t i = 0; i < boot_info.ranges; ++i) {
    const MemoryRange& r = boot_info.range[i];
    Print("memory: %X-%X %s\n", r.start, r.start + r.size - 1, kNames[r.type < 6 ? r.type : 0]);
    if (r.type == 1) usable += r.size;
  }
  Print("memory: %u KiB usable in %u ranges\n", usable >> 10, uint64_t{boot_info.ranges});
}

void TestMemory() {
  for (uint32_t i = 0; i < boot_info.ranges; ++i) {
    const MemoryRange& r = boot_info.range[i];
    if (r.type != 1 || r.size < 16) continue;
    const bool ok = TestWord(r.start) && TestWord(r.start + r.size / 2 / 8 * 8) &&
                    TestWord(r.start + r.size - 8);
    Print("memory test: %X-%X %s\n", r.start, r.start + r.size - 1, ok ? "ok" : "BAD");
  }
  Print("memory test: done\n");
}

}  // namespace probe
