// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A device tree file of any content. What comes out is a sound tree, and completing it again
// changes nothing.
#include <cstdint>
#include <span>
#include <vector>

#include "vmm/base/check.h"
#include "vmm/boot/fdt/fdt.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace davit;        // NOLINT: the whole file is about it
  using namespace davit::boot;  // NOLINT
  FdtConfig config;
  config.apic_ids = {0};
  config.ram = {{0, kGiB, MemoryType::kRam}, {4 * kGiB, kGiB, MemoryType::kRam}};
  config.bootargs = "console=ttyS0";
  config.initrd = {0x10000000, 0x1000};
  const Result<std::vector<std::byte>> once =
      CompleteFdt(config, Image::FromBytes(ImageRole::kDtb, std::as_bytes(std::span(data, size))));
  if (!once) {
    DAVIT_CHECK(!once.error().message.empty());
    return 0;
  }
  DAVIT_CHECK(CheckFdt(*once).has_value());
  const Result<std::vector<std::byte>> twice =
      CompleteFdt(config, Image::FromBytes(ImageRole::kDtb, *once));
  DAVIT_CHECK(twice.has_value());
  DAVIT_CHECK(*twice == *once);
  return 0;
}
