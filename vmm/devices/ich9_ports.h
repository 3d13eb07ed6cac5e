// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Small port devices of a q35: reset control (0xcf9), system control port A (0x92), APM control
// and status (0xb2, 0xb3), edge/level control registers of the 8259s where KVM has none (0x4d0,
// 0x4d1). ICH9 data book, 13.7.
// Any thread. Callbacks run on the vCPU thread with no lock held: they must not wait for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "vmm/bus/bus.h"

namespace davit::devices {

// Writing bit 2 resets; bits 1 and 3 (kind of reset) are kept. 1 port.
class ResetControl final : public bus::BusDevice {
 public:
  explicit ResetControl(std::function<void()> reset) : reset_(std::move(reset)) {}
  void Reset() { value_ = 0; }
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  const std::function<void()> reset_;
  std::atomic<uint8_t> value_{0};
};

// Bit 0 from 0 to 1 resets at once. Bit 1 is the A20 gate, which is always open here. 1 port.
class Port92 final : public bus::BusDevice {
 public:
  explicit Port92(std::function<void()> reset) : reset_(std::move(reset)) {}
  void Reset() { value_ = 0; }
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  const std::function<void()> reset_;
  std::atomic<uint8_t> value_{0};
};

// What firmware's SMI handler would do for these commands: ACPI mode on and off. 2 ports.
class ApmPorts final : public bus::BusDevice {
 public:
  static constexpr uint64_t kPorts = 2;
  static constexpr uint8_t kAcpiEnable = 0x02;
  static constexpr uint8_t kAcpiDisable = 0x03;
  explicit ApmPorts(std::function<void(bool on)> acpi) : acpi_(std::move(acpi)) {}
  void Reset() { control_ = status_ = 0; }
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  const std::function<void(bool)> acpi_;
  std::atomic<uint8_t> control_{0}, status_{0};
};

// Kept, without effect: there is no 8259 behind it. 2 ports.
class ElcrPorts final : public bus::BusDevice {
 public:
  static constexpr uint64_t kPorts = 2;
  void Reset() { primary_ = secondary_ = 0; }
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  std::atomic<uint8_t> primary_{0}, secondary_{0};
};

}  // namespace davit::devices
