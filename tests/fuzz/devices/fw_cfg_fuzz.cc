// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Random accesses to fw_cfg, and DMA descriptors of a guest that tries everything: no byte outside
// of RAM is touched, and items keep their content.
#include <cstring>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/endian.h"
#include "vmm/devices/fw_cfg.h"
#include "vmm/devices/vmcoreinfo.h"

namespace {

using davit::Fail;
using davit::Status;

class SmallRam final : public davit::devices::FwCfg::Memory {
 public:
  static constexpr size_t kSize = 4096;
  bool Inside(uint64_t address, uint64_t size) const {
    return address <= kSize && size <= kSize - address;
  }
  Status Read(uint64_t address, std::span<std::byte> out) override {
    if (!Inside(address, out.size())) return Fail("not RAM");
    std::memcpy(out.data(), ram.data() + address, out.size());
    return {};
  }
  Status Write(uint64_t address, std::span<const std::byte> in) override {
    if (!Inside(address, in.size())) return Fail("not RAM");
    std::memcpy(ram.data() + address, in.data(), in.size());
    return {};
  }
  Status Fill(uint64_t address, uint64_t size, std::byte value) override {
    if (!Inside(address, size)) return Fail("not RAM");
    std::memset(ram.data() + address, static_cast<int>(value), size);
    return {};
  }
  std::array<std::byte, kSize> ram{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace davit;  // NOLINT
  using devices::FwCfg;
  fuzz::AccessStream stream(data, size);
  SmallRam memory;
  FwCfg device(memory);
  const std::vector<std::byte> content(300, std::byte{0x77});
  DAVIT_CHECK(device.AddFile("opt/file", content).has_value());
  DAVIT_CHECK(devices::VmCoreInfo::Create(device).has_value());  // which the guest may write
  device.AddInt(FwCfg::kRamSize, SmallRam::kSize, 8);
  while (!stream.done()) {
    switch (stream.Next() & 3) {
      case 0:
        stream.Access(device.ports(), FwCfg::kPorts);
        break;
      case 1:
        stream.Access(device.dma_ports(), FwCfg::kDmaPorts);
        break;
      case 2: {  // a descriptor, more or less sensible
        const uint64_t at = static_cast<uint64_t>(stream.Next()) * 16;
        std::array<std::byte, 16> access{};
        access[1] = std::byte{stream.Next()};
        access[3] = std::byte{stream.Next()};
        for (size_t i : {4, 6, 7, 8, 14, 15}) access[i] = std::byte{stream.Next()};
        DAVIT_CHECK(memory.Write(at & (SmallRam::kSize - 16), access).has_value());
        uint8_t address[8];
        StoreLe(address, 8, __builtin_bswap64(at));
        device.dma_ports().Write(0, address);
        break;
      }
      default:
        if (stream.Next() == 0xff) device.Reset();
        break;
    }
  }
  const uint8_t key[2] = {FwCfg::kFirstFile, 0};
  device.ports().Write(0, key);
  for (std::byte expected : content) {
    uint8_t byte = 0;
    device.ports().Read(1, std::span(&byte, 1));
    DAVIT_CHECK(byte == static_cast<uint8_t>(expected));
  }
  return 0;
}
