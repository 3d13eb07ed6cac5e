// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Turns the bytes of a fuzzer into guest accesses. A short input is the seed of a longer random
// run, so that the smoke test, which has no corpus, also gets deep into a device.
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "vmm/bus/bus.h"

namespace davit::fuzz {

class AccessStream {
 public:
  AccessStream(const uint8_t* data, size_t size) : bytes_(data, data + size) {
    if (size >= 64) return;
    std::seed_seq seed(bytes_.begin(), bytes_.end());
    std::mt19937 random(seed);
    bytes_.resize(4096);
    for (uint8_t& byte : bytes_) byte = static_cast<uint8_t>(random());
  }
  bool done() const { return at_ >= bytes_.size(); }
  uint8_t Next() { return done() ? 0 : bytes_[at_++]; }

  // One read or write of any size somewhere in, or just behind, `window` bytes.
  void Access(bus::BusDevice& device, uint64_t window) {
    constexpr std::array<size_t, 8> kSizes = {1, 1, 1, 1, 4, 2, 8, 4};
    const uint8_t how = Next();
    const size_t size = kSizes[(how >> 1) & 7];
    const uint64_t offset = (Next() | (how & 0x80 ? Next() << 8 : 0)) % (window + 1);
    std::array<uint8_t, 8> data{};
    const auto bytes = std::span(data).first(size);
    if (how & 1) {
      for (uint8_t& byte : bytes) byte = Next();
      device.Write(offset, bytes);
    } else {
      device.Read(offset, bytes);
    }
  }

 private:
  std::vector<uint8_t> bytes_;
  size_t at_ = 0;
};

}  // namespace davit::fuzz
