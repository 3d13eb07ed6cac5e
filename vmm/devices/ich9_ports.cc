// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ich9_ports.h.
#include "vmm/devices/ich9_ports.h"

#include <algorithm>

namespace davit::devices {
namespace {

constexpr uint8_t kResetCpu = 0x04;
constexpr uint8_t kResetKept = 0x0a;
constexpr uint8_t kInitNow = 0x01;
// Lines that can be level-triggered: not 0, 1, 2, 8, 13.
constexpr uint8_t kElcrPrimary = 0xf8, kElcrSecondary = 0xde;

void Fill(std::span<uint8_t> data, uint8_t first) {
  std::fill(data.begin(), data.end(), 0xff);
  data[0] = first;
}

}  // namespace

void ResetControl::Read(uint64_t, std::span<uint8_t> data) { Fill(data, value_); }

void ResetControl::Write(uint64_t, std::span<const uint8_t> data) {
  if (data[0] & kResetCpu) {
    if (reset_) reset_();
    return;
  }
  value_ = data[0] & kResetKept;
}

void Port92::Read(uint64_t, std::span<uint8_t> data) { Fill(data, value_); }

void Port92::Write(uint64_t, std::span<const uint8_t> data) {
  const uint8_t before = value_.exchange(data[0]);
  if ((data[0] & ~before & kInitNow) && reset_) reset_();
}

void ApmPorts::Read(uint64_t offset, std::span<uint8_t> data) {
  for (size_t i = 0; i < data.size(); ++i) data[i] = offset + i == 0 ? control_ : status_;
}

void ApmPorts::Write(uint64_t offset, std::span<const uint8_t> data) {
  for (size_t i = 0; i < data.size(); ++i) {
    if (offset + i != 0) {
      status_ = data[i];
      continue;
    }
    control_ = data[i];
    if (data[i] == kAcpiEnable && acpi_) acpi_(true);
    if (data[i] == kAcpiDisable && acpi_) acpi_(false);
  }
}

void ElcrPorts::Read(uint64_t offset, std::span<uint8_t> data) {
  for (size_t i = 0; i < data.size(); ++i) data[i] = offset + i == 0 ? primary_ : secondary_;
}

void ElcrPorts::Write(uint64_t offset, std::span<const uint8_t> data) {
  for (size_t i = 0; i < data.size(); ++i) {
    if (offset + i == 0) {
      primary_ = data[i] & kElcrPrimary;
    } else {
      secondary_ = data[i] & kElcrSecondary;
    }
  }
}

}  // namespace davit::devices
