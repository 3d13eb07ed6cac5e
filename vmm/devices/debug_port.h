// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The one-byte debug port of emulators (0x402 of SeaBIOS, 0xe9 of Bochs): a write is a byte of
// output, a read tells that the port exists. Bytes that the back end does not take are lost. Any
// thread.
#pragma once

#include "vmm/backend/char/chardev.h"
#include "vmm/bus/bus.h"

namespace davit::devices {

class DebugPort final : public bus::BusDevice {
 public:
  static constexpr uint8_t kReadBack = 0xe9;

  // The back end, attached by the caller, outlives the port; null: output is lost.
  explicit DebugPort(backend::Chardev* chardev) : chardev_(chardev) {}

  void Read(uint64_t, std::span<uint8_t> data) override {
    for (uint8_t& byte : data) byte = kReadBack;
  }
  void Write(uint64_t, std::span<const uint8_t> data) override {
    if (chardev_) chardev_->Write(std::as_bytes(data));
  }

 private:
  backend::Chardev* chardev_;
};

}  // namespace davit::devices
