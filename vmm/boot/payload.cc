// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Placing of initrd, device tree and command line.
#include "vmm/boot/payload.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "vmm/boot/memory_map.h"
#include "vmm/boot/pc_layout.h"

namespace davit::boot {
namespace {

using memory::GuestAddress;

// The highest page-aligned place of `size` bytes in [from, to), if any.
std::optional<GuestRange> HighestFit(uint64_t size, uint64_t from, uint64_t to) {
  if (to < from || size > to - from) return std::nullopt;
  const uint64_t base = AlignDown(to - size, kPageSize);
  if (base < from) return std::nullopt;
  return GuestRange{base, size};
}

}  // namespace

Result<PlacedPayload> PlacePayload(const memory::GuestMemory& memory, const LoadRequest& request,
                                   uint64_t kernel_end, uint64_t limit, uint64_t fdt_header) {
  PlacedPayload placed;
  uint64_t top = AlignDown(std::min(limit, LowRamEnd(memory)), kPageSize);
  if (request.initrd != nullptr && request.initrd->size() != 0) {
    const uint64_t size = request.initrd->size();
    const std::optional<GuestRange> place = HighestFit(size, kernel_end, top);
    if (!place) {
      return Fail(fmt::format("initrd is too large, cannot support.(max: {}, need {})",
                              top > kernel_end ? top - kernel_end : 0, size));
    }
    placed.initrd = *place;
    DAVIT_TRY(request.initrd->LoadInto(memory, GuestAddress{place->base}, 0, size));
    top = place->base;
  }
  if (!request.make_fdt) return placed;
  DAVIT_ASSIGN(placed.fdt_blob, request.make_fdt(placed.initrd));
  if (placed.fdt_blob.empty()) return placed;
  const std::optional<GuestRange> place =
      HighestFit(fdt_header + placed.fdt_blob.size(), kernel_end, top);
  if (!place) {
    return Fail(fmt::format("device tree is too large, cannot support.(max: {}, need {})",
                            top > kernel_end ? top - kernel_end : 0, placed.fdt_blob.size()));
  }
  placed.fdt = {place->base + fdt_header, placed.fdt_blob.size()};
  DAVIT_TRY(memory.Write(GuestAddress{placed.fdt.base}, placed.fdt_blob));
  return placed;
}

Status WriteCmdline(const memory::GuestMemory& memory, const std::string& cmdline, uint64_t max) {
  max = std::min(max, kBootCmdlineMax - 1);
  if (cmdline.size() > max) {
    return Fail(
        fmt::format("kernel command line is too long (max: {}, need {})", max, cmdline.size()));
  }
  return memory.Write(GuestAddress{kBootCmdline},
                      std::as_bytes(std::span(cmdline.c_str(), cmdline.size() + 1)));
}

}  // namespace davit::boot
