// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Registers of a device as a guest reaches them, for tests: little-endian numbers of 1 to 8 bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "vmm/base/endian.h"
#include "vmm/bus/bus.h"

namespace davit::bus::testing {

inline uint64_t Load(BusDevice& device, uint64_t offset, size_t size) {
  std::array<uint8_t, 8> data{};
  device.Read(offset, std::span(data).first(size));
  return LoadLe(data.data(), size);
}

inline void Store(BusDevice& device, uint64_t offset, size_t size, uint64_t value) {
  std::array<uint8_t, 8> data{};
  StoreLe(data.data(), size, value);
  device.Write(offset, std::span(data).first(size));
}

}  // namespace davit::bus::testing
