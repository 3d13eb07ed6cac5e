// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// make_corpus BZIMAGE ELF64 ELF32 DTB: writes valid inputs to start from.
#include <cstdio>
#include <fstream>

#include "vmm/boot/fdt/fdt.h"
#include "vmm/boot/testing/test_images.h"

namespace {

void Write(const char* path, const davit::boot::testing::Bytes& bytes) {
  std::ofstream out(path, std::ios::binary);
  for (std::byte b : bytes) out.put(static_cast<char>(b));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace davit::boot;  // NOLINT: the whole file is about it
  if (argc != 5) {
    std::fprintf(stderr, "usage: %s BZIMAGE ELF64 ELF32 DTB\n", argv[0]);
    return 2;
  }
  Write(argv[1], testing::MakeBzImage());
  Write(argv[2], testing::MakeElf64());
  Write(argv[3], testing::MakeElf32());
  FdtConfig config;
  config.apic_ids = {0, 1};
  config.ram = {{0, davit::kGiB, MemoryType::kRam}};
  config.rtc = true;
  Write(argv[4], BuildFdt(config));
  return 0;
}
