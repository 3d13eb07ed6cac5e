// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The one-byte debug port of Bochs and QEMU (isa-debugcon, port 0xe9): a write is a byte of output,
// a read tells that the port exists. A vCPU never waits for the back end: what that does not take
// is lost. Output only: what arrives from the host is dropped, which keeps the back end reading and
// so aware of its peer's end. Read and Write: any thread; the rest: control thread.
#pragma once

#include "vmm/backend/char/chardev.h"
#include "vmm/base/error.h"
#include "vmm/bus/bus.h"

namespace davit::devices {

class DebugPort final : public bus::BusDevice, private backend::ChardevClient {
 public:
  static constexpr uint64_t kPorts = 1;
  static constexpr uint8_t kReadBack = 0xe9;

  DebugPort() = default;
  ~DebugPort() override {
    if (chardev_) (void)chardev_->Attach(nullptr);
  }
  DebugPort(const DebugPort&) = delete;
  DebugPort& operator=(const DebugPort&) = delete;

  // Once, before the guest runs. The back end outlives the port. Error: it is in use.
  Status Connect(backend::Chardev* chardev) {
    DAVIT_TRY(chardev->Attach(this));
    chardev_ = chardev;
    return {};
  }

  void Read(uint64_t, std::span<uint8_t> data) override {
    for (uint8_t& byte : data) byte = kReadBack;
  }
  void Write(uint64_t, std::span<const uint8_t> data) override {
    if (chardev_) chardev_->Write(std::as_bytes(data));
  }

 private:
  size_t CanReceive() override { return 4096; }
  void Receive(std::span<const std::byte>) override {}
  void OnEvent(backend::ChardevEvent) override {}

  backend::Chardev* chardev_ = nullptr;
};

}  // namespace davit::devices
