// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What is loaded beside a kernel: initrd, device tree, command line. Shared by both loaders:
// the request, the result, and the placing from the top of low RAM down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/entry.h"
#include "vmm/boot/image.h"
#include "vmm/boot/memory_map.h"
#include "vmm/memory/guest_memory.h"

namespace davit::boot {

// A range of guest RAM; size 0: nothing there.
struct GuestRange {
  uint64_t base = 0;
  uint64_t size = 0;  // bytes

  uint64_t end() const { return base + size; }
  friend bool operator==(const GuestRange&, const GuestRange&) = default;
};

// Makes the flattened device tree once the initrd has its place (for /chosen). An empty result
// means that none is handed over.
using MakeFdt = std::function<Result<std::vector<std::byte>>(GuestRange initrd)>;

struct LoadRequest {
  const Image* kernel = nullptr;  // needed
  const Image* initrd = nullptr;  // may be null
  std::string cmdline;
  uint64_t rsdp = 0;                  // guest address of the ACPI root pointer, 0: none
  MakeFdt make_fdt;                   // may be empty
  std::vector<MemoryRange> reserved;  // address space outside of RAM for the memory map
};

struct LoadedKernel {
  BootEntry entry;
  GuestRange kernel;  // with what it needs to unpack
  GuestRange initrd;
  GuestRange fdt;                   // the tree itself
  std::vector<std::byte> fdt_blob;  // as handed over
};

struct PlacedPayload {
  GuestRange initrd;
  GuestRange fdt;
  std::vector<std::byte> fdt_blob;
};

// Puts the initrd as high as possible in [kernel_end, min(limit, end of low RAM)), and the tree
// below it with `fdt_header` bytes before it left for the caller. Writes both.
Result<PlacedPayload> PlacePayload(const memory::GuestMemory& memory, const LoadRequest& request,
                                   uint64_t kernel_end, uint64_t limit, uint64_t fdt_header);

// Writes the command line at kBootCmdline. Error when it is longer than max (without the NUL).
Status WriteCmdline(const memory::GuestMemory& memory, const std::string& cmdline, uint64_t max);

}  // namespace davit::boot
