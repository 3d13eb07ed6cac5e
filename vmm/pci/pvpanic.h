// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// pvpanic-pci (1b36:0011): one register by which the guest's kernel tells that it has panicked, or
// that it has and a crash kernel is loaded. BAR 0 is two bytes, both the register: reads give the
// events that are offered, writes tell one. Any vCPU thread; the callbacks run on it and must not
// block.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "vmm/pci/function.h"

namespace davit::pci {

struct PvpanicConfig {
  static constexpr uint8_t kPanicked = 1, kCrashLoaded = 2;

  FunctionOptions function{.driver = "pvpanic-pci", .id = {}};
  uint8_t events = kPanicked | kCrashLoaded;  // offered to the guest
  std::function<void()> panicked;
  std::function<void()> crash_loaded;
};

class Pvpanic final : public Function, public bus::BusDevice {
 public:
  explicit Pvpanic(PvpanicConfig config);

  // BAR 0.
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  const PvpanicConfig values_;
};

}  // namespace davit::pci
