// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// bzImage: header checks and loading.
#include "vmm/boot/linux/bzimage.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include "vmm/boot/boot_tables.h"
#include "vmm/boot/linux/boot_params.h"
#include "vmm/boot/memory_map.h"
#include "vmm/boot/pc_layout.h"

namespace davit::boot {
namespace {

using memory::GuestAddress;
using namespace linux_protocol;  // NOLINT: the wire names of this file's subject

constexpr uint64_t kSectorSize = 512;
constexpr uint64_t kLoadAddress = kHighMemoryStart;
constexpr uint64_t kFourGiB = 4 * kGiB;

Result<SetupHeader> ReadHeader(const Image& kernel) {
  SetupHeader header;
  if (kernel.size() < kSetupHeaderOffset + sizeof(header)) {
    return Fail("invalid kernel header: the file is too short");
  }
  DAVIT_TRY(kernel.ReadAt(kSetupHeaderOffset, std::as_writable_bytes(std::span(&header, 1))));
  return header;
}

bool HasMagic(const SetupHeader& header) {
  return header.boot_flag == kBootFlag && header.header == kHeaderMagic;
}

// Bytes of the header that the image has, from kSetupHeaderOffset on.
size_t HeaderLength(const SetupHeader& header) {
  const size_t end = 0x202 + header.jump[1];
  return std::min(end, kSetupHeaderEnd) - kSetupHeaderOffset;
}

Status CheckHeader(const SetupHeader& header) {
  if (!HasMagic(header)) return Fail("invalid kernel header");
  if (header.version < kVersion64Bit) {
    return Fail(fmt::format(
        "kernel is too old: boot protocol {}.{:02}, 2.12 is needed for the 64-bit entry point",
        header.version >> 8, header.version & 0xff));
  }
  if (HeaderLength(header) < sizeof(SetupHeader)) {
    return Fail("invalid kernel header: it is shorter than its version says");
  }
  if ((header.xloadflags & kXlfKernel64) == 0) {
    return Fail("kernel has no 64-bit entry point (a 32-bit kernel?)");
  }
  if ((header.loadflags & kLoadedHigh) == 0) {
    return Fail("invalid kernel header: the kernel does not load at 1 MiB");
  }
  if (header.relocatable_kernel != 0 && !std::has_single_bit(uint32_t{header.kernel_alignment})) {
    return Fail(fmt::format("invalid kernel header: alignment {:#x} is no power of two",
                            uint32_t{header.kernel_alignment}));
  }
  if (header.pref_address >= kFourGiB) {
    return Fail(fmt::format("invalid kernel header: preferred address {:#x} is above 4 GiB",
                            uint64_t{header.pref_address}));
  }
  return {};
}

// boot.rst, "init_size": the kernel unpacks itself to this range.
uint64_t UnpackEnd(const SetupHeader& header) {
  uint64_t start = header.pref_address;
  if (header.relocatable_kernel != 0) {
    start = std::max(AlignUp(kLoadAddress, uint32_t{header.kernel_alignment}), start);
  }
  return start + header.init_size;
}

Status WriteBootParams(const memory::GuestMemory& memory, const LoadRequest& request,
                       const BzImage& image, const PlacedPayload& payload) {
  BootParams params{};
  std::memcpy(&params.hdr, image.header.data(), image.header.size());
  SetupHeader& hdr = params.hdr;
  hdr.type_of_loader = kLoaderUndefined;
  hdr.code32_start = static_cast<uint32_t>(kLoadAddress);
  hdr.cmd_line_ptr = static_cast<uint32_t>(kBootCmdline);
  hdr.ramdisk_image = static_cast<uint32_t>(payload.initrd.base);
  hdr.ramdisk_size = static_cast<uint32_t>(payload.initrd.size);
  hdr.setup_data = payload.fdt.size == 0 ? 0 : payload.fdt.base - sizeof(SetupData);
  params.acpi_rsdp_addr = request.rsdp;

  const std::vector<MemoryRange> map = BuildMemoryMap(memory, request.reserved);
  if (map.size() > kE820Max) {
    return Fail(
        fmt::format("guest memory has too many pieces (max: {}, need {})", kE820Max, map.size()));
  }
  params.e820_entries = static_cast<uint8_t>(map.size());
  for (size_t i = 0; i < map.size(); ++i) {
    params.e820_table[i] = {map[i].base, map[i].size, static_cast<uint32_t>(map[i].type)};
  }
  return memory.Write(GuestAddress{kBootZeroPage}, params);
}

}  // namespace

bool IsBzImage(const Image& kernel) {
  const Result<SetupHeader> header = ReadHeader(kernel);
  return header && HasMagic(*header);
}

Result<BzImage> ParseBzImage(const Image& kernel) {
  DAVIT_ASSIGN(const SetupHeader header, ReadHeader(kernel));
  DAVIT_TRY(CheckHeader(header));
  BzImage image;
  image.header.resize(HeaderLength(header));
  DAVIT_TRY(kernel.ReadAt(kSetupHeaderOffset, image.header));
  const uint64_t sectors = header.setup_sects == 0 ? 4 : header.setup_sects;
  image.kernel_offset = (sectors + 1) * kSectorSize;
  if (kernel.size() <= image.kernel_offset + kEntry64Offset) {
    return Fail("invalid kernel header: the file ends before the kernel's code");
  }
  image.kernel_size = kernel.size() - image.kernel_offset;
  image.run_end = std::max(kLoadAddress + image.kernel_size, UnpackEnd(header));
  image.initrd_limit =
      (header.xloadflags & kXlfAbove4G) != 0 ? kFourGiB : uint64_t{header.initrd_addr_max} + 1;
  image.cmdline_max = header.cmdline_size;
  return image;
}

Result<LoadedKernel> LoadBzImage(const memory::GuestMemory& memory, const LoadRequest& request) {
  DAVIT_ASSIGN(const BzImage image, ParseBzImage(*request.kernel));
  DAVIT_TRY(CheckLowMemory(memory));
  const uint64_t ram_end = LowRamEnd(memory);
  if (image.run_end > ram_end) {
    return Fail(fmt::format("not enough RAM for kernel '{}': it needs {} KiB, the machine has {}",
                            request.kernel->name(), AlignUp(image.run_end, kKiB) / kKiB,
                            ram_end / kKiB));
  }
  DAVIT_TRY(WriteCmdline(memory, request.cmdline, image.cmdline_max));
  DAVIT_TRY(request.kernel->LoadInto(memory, GuestAddress{kLoadAddress}, image.kernel_offset,
                                     image.kernel_size));
  DAVIT_ASSIGN(PlacedPayload payload,
               PlacePayload(memory, request, image.run_end, image.initrd_limit, sizeof(SetupData)));
  if (payload.fdt.size != 0) {
    const SetupData node{0, kSetupDataDtb, static_cast<uint32_t>(payload.fdt.size)};
    DAVIT_TRY(memory.Write(GuestAddress{payload.fdt.base - sizeof(node)}, node));
  }
  DAVIT_TRY(WriteBootParams(memory, request, image, payload));

  LoadedKernel loaded;
  loaded.entry = MakeEntry(EntryKind::kLinux64);
  loaded.entry.rip = kLoadAddress + kEntry64Offset;
  loaded.entry.rsi = kBootZeroPage;
  DAVIT_TRY(WriteBootTables(memory, loaded.entry));
  loaded.kernel = {kLoadAddress, image.run_end - kLoadAddress};
  loaded.initrd = payload.initrd;
  loaded.fdt = payload.fdt;
  loaded.fdt_blob = std::move(payload.fdt_blob);
  return loaded;
}

}  // namespace davit::boot
