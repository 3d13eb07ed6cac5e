// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A kernel file of any content. What is loaded lies in RAM, in order and disjoint: kernel, device
// tree, initrd; the entry point is in RAM.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "vmm/base/check.h"
#include "vmm/base/units.h"
#include "vmm/boot/kernel_loader.h"
#include "vmm/boot/testing/test_images.h"

namespace {

using namespace davit;        // NOLINT: the whole file is about it
using namespace davit::boot;  // NOLINT

void CheckLoaded(const memory::GuestMemory& memory, const LoadedKernel& loaded) {
  DAVIT_CHECK(memory.Contains(memory::GuestAddress{loaded.entry.rip}, 1));
  DAVIT_CHECK(memory.Contains(memory::GuestAddress{loaded.fdt.base}, loaded.fdt.size));
  DAVIT_CHECK(memory.Contains(memory::GuestAddress{loaded.initrd.base}, loaded.initrd.size));
  DAVIT_CHECK(loaded.kernel.base >= kMiB);
  DAVIT_CHECK(loaded.kernel.end() <= loaded.fdt.base);
  DAVIT_CHECK(loaded.fdt.end() <= loaded.initrd.base);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const memory::GuestMemory memory = boot::testing::MakeMemory(32 * kMiB);
  static const std::array<std::byte, 5000> kInitrd{};
  const Image kernel = Image::FromBytes(ImageRole::kKernel, std::as_bytes(std::span(data, size)));
  const Image initrd = Image::FromBytes(ImageRole::kInitrd, kInitrd);
  LoadRequest request;
  request.kernel = &kernel;
  request.initrd = &initrd;
  request.cmdline = "console=ttyS0";
  request.make_fdt = [](GuestRange) -> Result<std::vector<std::byte>> {
    return std::vector<std::byte>(300);
  };
  const Result<LoadedKernel> loaded = LoadKernel(memory, request);
  if (loaded) {
    CheckLoaded(memory, *loaded);
  } else {
    DAVIT_CHECK(!loaded.error().message.empty());
  }
  return 0;
}
