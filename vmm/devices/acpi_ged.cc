// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See acpi_ged.h.
#include "vmm/devices/acpi_ged.h"

#include <algorithm>

#include "vmm/base/endian.h"

namespace davit::devices {
namespace {

enum Register : uint64_t { kSleepControl = 0, kSleepStatus = 1, kReset = 2 };
constexpr uint8_t kSleepEnable = 0x20;

constexpr uint8_t SleepType(uint8_t value) { return (value >> 2) & 7; }

}  // namespace

AcpiGed::AcpiGed(irq::IrqLine& irq, Callbacks callbacks)
    : irq_(irq), callbacks_(std::move(callbacks)) {}

void AcpiGed::Signal(uint32_t events) {
  std::lock_guard lock(mutex_);
  pending_ |= events;
  irq_.Pulse();
}

void AcpiGed::Reset() {
  std::lock_guard lock(mutex_);
  pending_ = 0;
}

uint32_t AcpiGed::pending() const {
  std::lock_guard lock(mutex_);
  return pending_;
}

// Only the whole register reads and clears: a partial access must not lose an event.
void AcpiGed::EventWindow::Read(uint64_t offset, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
  if (offset != 0 || data.size() != kEventSize) return;
  std::lock_guard lock(ged_.mutex_);
  StoreLe(data.data(), kEventSize, ged_.pending_);
  ged_.pending_ = 0;
}

void AcpiGed::EventWindow::Write(uint64_t, std::span<const uint8_t>) {}

void AcpiGed::RegsWindow::Read(uint64_t, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
}

void AcpiGed::RegsWindow::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (data.size() != 1) return;
  if (offset == kSleepControl) {
    if ((data[0] & kSleepEnable) && SleepType(data[0]) == kSleepTypeS5 &&
        ged_.callbacks_.power_off) {
      ged_.callbacks_.power_off();
    }
  } else if (offset == kReset) {
    if (data[0] == kResetValue && ged_.callbacks_.reset) ged_.callbacks_.reset();
  }
}

}  // namespace davit::devices
