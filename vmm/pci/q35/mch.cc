// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See mch.h.
#include "vmm/pci/q35/mch.h"

#include "vmm/pci/host_bridge.h"

namespace davit::pci {
namespace {

constexpr uint64_t kPciexbarAtReset = 0xb0000000;
constexpr uint64_t kPciexbarEnable = 1;
constexpr uint64_t kPciexbarAddress = 0xfffffffff;  // 36 bits
constexpr uint64_t kBytesPerBus = 1 << 20;

constexpr uint16_t kTsegMegabytes = 16;
constexpr uint16_t kTsegQuery = 0xffff;

constexpr uint8_t kSmramAtReset = 0x02, kSmramWritable = 0x78, kSmramWritableLocked = 0x20;
constexpr uint8_t kSmramLocked = 0x10, kSmramOpen = 0x40;
constexpr uint8_t kEsmramcAtReset = 0x38, kEsmramcWritable = 0x87;

constexpr uint8_t kSmbaseQuery = 0xff, kSmbaseInRam = 0x01, kSmbaseLocked = 0x02;

bool Touches(uint32_t offset, uint32_t size, uint32_t at, uint32_t length) {
  return offset < at + length && at < offset + size;
}

}  // namespace

Mch::Mch()
    : Function({.vendor = 0x8086, .device = 0x29c0, .revision = 0, .class_code = 0x060000},
               {.driver = "mch", .id = {}}) {
  config().Set16(kExtendedTseg, kTsegMegabytes);
  config().Set64(kPciexbar, kPciexbarAtReset);
  config().Set8(kSmram, kSmramAtReset);
  config().Set8(kEsmramc, kEsmramcAtReset);
  ResetMasks();
}

void Mch::ResetMasks() {
  config().SetWritable(kSmbase, 1, 0xff);
  config().SetWritable(kSmram, 1, kSmramWritable);
  config().SetWritable(kEsmramc, 1, kEsmramcWritable);
}

void Mch::OnConfigReset() {
  ResetMasks();
  PlaceEcam();
}

void Mch::PlaceEcam() {
  if (host() == nullptr) return;
  const uint64_t value = config().Get64(kPciexbar);
  const unsigned length = value >> 1 & 3;  // 256, 128, 64 buses
  if (!(value & kPciexbarEnable) || length == 3) {
    host()->SetEcam(std::nullopt, 0);
    return;
  }
  const unsigned buses = 256u >> length;
  host()->SetEcam(value & kPciexbarAddress & ~(buses * kBytesPerBus - 1), buses);
}

void Mch::OnConfigWritten(uint32_t offset, uint32_t size) {
  if (Touches(offset, size, kPciexbar, 8)) PlaceEcam();
  if (Touches(offset, size, kExtendedTseg, 2) && config().Get16(kExtendedTseg) == kTsegQuery) {
    config().Set16(kExtendedTseg, kTsegMegabytes);
  }
  if (Touches(offset, size, kSmram, 1) && (config().Get8(kSmram) & kSmramLocked)) {
    config().Set8(kSmram, config().Get8(kSmram) & static_cast<uint8_t>(~kSmramOpen));
    config().SetWritable(kSmram, 1, kSmramWritableLocked);
    config().SetWritable(kEsmramc, 1, 0);
  }
  if (Touches(offset, size, kSmbase, 1)) {
    if (config().Get8(kSmbase) == kSmbaseQuery) {
      config().Set8(kSmbase, kSmbaseInRam);
      config().SetWritable(kSmbase, 1, kSmbaseLocked);
    } else if (config().Get8(kSmbase) & kSmbaseLocked) {
      config().SetWritable(kSmbase, 1, 0);
    }
  }
}

}  // namespace davit::pci
