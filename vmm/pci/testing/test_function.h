// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A plain function for tests: 1af4:10f0, pin A, and BARs as the test wants, whose registers answer
// reads with their offset. One thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "vmm/pci/function.h"

namespace davit::pci {

class TestFunction final : public Function, public bus::BusDevice {
 public:
  explicit TestFunction(std::string id = "", bool multifunction = false,
                        std::string driver = "test-pci")
      : Function({.vendor = 0x1af4, .device = 0x10f0, .revision = 1, .class_code = 0xff0000},
                 {std::move(driver), std::move(id), multifunction}) {
    UsePin(1);
  }
  TestFunction& With(int bar, BarKind kind, uint64_t size) {
    AddBar(bar, {.kind = kind, .prefetchable = false, .size = size, .device = this});
    return *this;
  }
  void Read(uint64_t offset, std::span<uint8_t> data) override {
    for (uint8_t& byte : data) byte = static_cast<uint8_t>(offset++);
  }
  void Write(uint64_t offset, std::span<const uint8_t> data) override {
    writes.emplace_back(offset, data[0]);
  }
  std::optional<uint64_t> Mapped(int bar) const {
    for (const BarInfo& info : bars()) {
      if (info.index == bar) return info.mapped;
    }
    return std::nullopt;
  }

  std::vector<std::pair<uint64_t, uint8_t>> writes;
  int resets = 0, quick_resets = 0;

 protected:
  void OnReset() override { ++resets; }
  void OnFunctionLevelReset() override { ++quick_resets; }
};

}  // namespace davit::pci
