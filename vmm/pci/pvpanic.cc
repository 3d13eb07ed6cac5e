// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See pvpanic.h.
#include "vmm/pci/pvpanic.h"

#include <algorithm>
#include <utility>

#include "vmm/base/log.h"

namespace davit::pci {

Pvpanic::Pvpanic(PvpanicConfig config)
    : Function({.vendor = 0x1b36, .device = 0x0011, .revision = 1, .class_code = 0x088000},
               config.function),
      values_(std::move(config)) {
  AddBar(0, {.kind = BarKind::kMemory32, .prefetchable = false, .size = 2, .device = this});
}

void Pvpanic::Read(uint64_t, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), values_.events);
}

// As in QEMU: what is written counts whether it is offered or not, and a panic alone where both
// are told.
void Pvpanic::Write(uint64_t, std::span<const uint8_t> data) {
  for (const uint8_t event : data) {
    if (event & ~(PvpanicConfig::kPanicked | PvpanicConfig::kCrashLoaded)) {
      DAVIT_LOG_GUEST_ERROR("pvpanic: unknown event {:#x}", event);
    }
    if (event & PvpanicConfig::kPanicked) {
      values_.panicked();
    } else if (event & PvpanicConfig::kCrashLoaded) {
      values_.crash_loaded();
    }
  }
}

}  // namespace davit::pci
