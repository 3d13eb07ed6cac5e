// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads what a PVH loader needs of an ELF kernel, 32-bit or 64-bit, little-endian, x86 (System V
// ABI, chapters 4 and 5): the loadable segments and the entry point of the Xen note. The file is
// untrusted: all offsets and sizes are checked against it with 64-bit sums. Pure but for reads.
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/image.h"

namespace davit::boot {

struct ElfSegment {
  uint64_t file_offset = 0;
  uint64_t file_size = 0;    // bytes in the file
  uint64_t address = 0;      // guest physical
  uint64_t memory_size = 0;  // bytes in memory; what the file lacks is zero

  uint64_t end() const { return address + memory_size; }
};

struct ElfImage {
  std::vector<ElfSegment> segments;  // not empty; address + memory_size does not wrap
  uint32_t pvh_entry = 0;            // inside one of the segments
};

// Whether the file starts as an ELF file does.
bool IsElf(const Image& kernel);

Result<ElfImage> ParseElf(const Image& kernel);

}  // namespace davit::boot
