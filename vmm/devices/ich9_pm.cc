// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ich9_pm.h.
#include "vmm/devices/ich9_pm.h"

#include <algorithm>

#include "vmm/base/endian.h"
#include "vmm/base/log.h"

namespace davit::devices {
namespace {

enum Register : uint64_t {
  kStatus = 0x00,
  kEnable = 0x02,
  kControl = 0x04,
  kTimer = 0x08,
  kGpeStatus = 0x20,
  kGpeEnable = 0x28,
  kSmiEnable = 0x30,
  kSmiStatus = 0x34,
  kTco = 0x60,
};

constexpr uint16_t kTimerBit = 0x0001, kGlobalBit = 0x0020, kPowerButtonBit = 0x0100,
                   kRtcBit = 0x0400;
constexpr uint16_t kSciSources = kTimerBit | kGlobalBit | kPowerButtonBit | kRtcBit;
constexpr uint16_t kSciEnable = 0x0001, kSleepEnable = 0x2000;
constexpr uint16_t SleepType(uint16_t control) { return (control >> 10) & 7; }

constexpr int64_t kHalfPeriod = 0x800000;  // bit 23 changes
constexpr uint32_t kTimerMask = 0xffffff;
constexpr uint32_t kSmiWritable = 0xfffffffe;
constexpr uint32_t kTcoEnable = 1u << 13;

bool In(uint64_t offset, uint64_t base, uint64_t size) { return offset - base < size; }

// One byte of a register.
void SetByte(uint16_t& reg, uint64_t byte, uint8_t value) {
  const unsigned shift = static_cast<unsigned>(8 * byte);
  reg = static_cast<uint16_t>((reg & ~(0xff << shift)) | value << shift);
}

}  // namespace

Ich9Pm::Ich9Pm(irq::IrqLine& sci, io::EventLoop& loop, Callbacks callbacks)
    : sci_(sci),
      loop_(loop),
      callbacks_(std::move(callbacks)),
      start_(loop.Now()),
      timer_(loop,
             [this] {
               std::lock_guard lock(mutex_);
               UpdateSci();
             }),
      tco_(loop, callbacks_.watchdog) {}

int64_t Ich9Pm::Ticks() const {
  const auto ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(held_.value_or(loop_.Now()) - start_)
          .count();
  return static_cast<int64_t>(static_cast<__int128>(ns) * kTimerHz / 1'000'000'000);
}

uint16_t Ich9Pm::Status() const {
  return static_cast<uint16_t>(s_.pm1_status | (Ticks() >= s_.overflow_tick ? kTimerBit : 0));
}

void Ich9Pm::UpdateSci() {
  const uint16_t status = Status();
  bool level = (status & s_.pm1_enable & kSciSources) != 0;
  for (size_t i = 0; i < s_.gpe_status.size(); ++i) level |= s_.gpe_status[i] & s_.gpe_enable[i];
  sci_.Set(level);
  if (!held_ && (s_.pm1_enable & kTimerBit) && !(status & kTimerBit)) {
    const auto ns = static_cast<int64_t>(
        (static_cast<__int128>(s_.overflow_tick) * 1'000'000'000 + kTimerHz - 1) / kTimerHz);
    timer_.Arm(start_ + std::chrono::nanoseconds(ns));
  } else {
    timer_.Cancel();
  }
}

void Ich9Pm::PressPowerButton() {
  std::lock_guard lock(mutex_);
  if (!(s_.pm1_enable & kPowerButtonBit)) return;
  s_.pm1_status |= kPowerButtonBit;
  UpdateSci();
}

void Ich9Pm::RaiseGpe(unsigned bit) {
  std::lock_guard lock(mutex_);
  s_.gpe_status[bit / 8] |= static_cast<uint8_t>(1u << bit % 8);
  UpdateSci();
}

void Ich9Pm::EnableAcpi(bool on) {
  std::lock_guard lock(mutex_);
  s_.pm1_control = static_cast<uint16_t>((s_.pm1_control & ~kSciEnable) | (on ? kSciEnable : 0));
}

void Ich9Pm::Reset() {
  std::lock_guard lock(mutex_);
  s_ = Ich9PmState();
  tco_.Reset();
  UpdateSci();
}

void Ich9Pm::Run(bool running) {
  std::lock_guard lock(mutex_);
  if (running == !held_) return;
  const io::Clock::time_point now = loop_.Now();
  if (running) {
    start_ += now - *held_;
    held_.reset();
  } else {
    held_ = now;
  }
  tco_.Run(running);
  UpdateSci();
}

Ich9PmState Ich9Pm::state() const {
  std::lock_guard lock(mutex_);
  return s_;
}

uint8_t Ich9Pm::ReadByte(uint64_t offset, int64_t ticks) const {
  const auto part = [offset](uint64_t value, uint64_t base) {
    return static_cast<uint8_t>(value >> 8 * (offset - base));
  };
  if (In(offset, kStatus, 2)) return part(Status(), kStatus);
  if (In(offset, kEnable, 2)) return part(s_.pm1_enable, kEnable);
  if (In(offset, kControl, 2)) return part(s_.pm1_control, kControl);
  if (In(offset, kTimer, 4)) return part(static_cast<uint64_t>(ticks) & kTimerMask, kTimer);
  if (In(offset, kGpeStatus, 8)) return s_.gpe_status[offset - kGpeStatus];
  if (In(offset, kGpeEnable, 8)) return s_.gpe_enable[offset - kGpeEnable];
  if (In(offset, kSmiEnable, 4)) return part(s_.smi_enable, kSmiEnable);
  if (In(offset, kSmiStatus, 4)) return 0;
  return 0xff;
}

void Ich9Pm::Read(uint64_t offset, std::span<uint8_t> data) {
  if (offset >= kTco) return tco_.Read(offset - kTco, data);
  std::lock_guard lock(mutex_);
  const int64_t ticks = Ticks();
  for (size_t i = 0; i < data.size(); ++i) data[i] = ReadByte(offset + i, ticks);
}

void Ich9Pm::WriteByte(uint64_t offset, uint8_t value) {
  if (In(offset, kStatus, 2)) {
    const auto clear = static_cast<uint16_t>(value << 8 * (offset - kStatus));
    if (Status() & clear & kTimerBit) {
      s_.overflow_tick = (Ticks() / kHalfPeriod + 1) * kHalfPeriod;
    }
    s_.pm1_status &= static_cast<uint16_t>(~clear);
  } else if (In(offset, kEnable, 2)) {
    SetByte(s_.pm1_enable, offset - kEnable, value);
  } else if (In(offset, kGpeStatus, 8)) {
    s_.gpe_status[offset - kGpeStatus] &= static_cast<uint8_t>(~value);
  } else if (In(offset, kGpeEnable, 8)) {
    s_.gpe_enable[offset - kGpeEnable] = value;
  } else if (In(offset, kSmiEnable, 4)) {
    const unsigned shift = static_cast<unsigned>(8 * (offset - kSmiEnable));
    const uint32_t kept = tco_.locked() ? s_.smi_enable & kTcoEnable : 0;
    const uint32_t writable = tco_.locked() ? kSmiWritable & ~kTcoEnable : kSmiWritable;
    const uint32_t written = (s_.smi_enable & ~(0xffu << shift)) | uint32_t{value} << shift;
    s_.smi_enable = (written & writable) | kept;
  }
}

bool Ich9Pm::WriteControl(uint16_t value) {
  s_.pm1_control = static_cast<uint16_t>(value & ~kSleepEnable);
  if (!(value & kSleepEnable)) return false;
  if (SleepType(value) == 0) return true;
  DAVIT_LOG_GUEST_ERROR("PM1 control: there is no sleep type {}", SleepType(value));
  return false;
}

void Ich9Pm::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (offset >= kTco) return tco_.Write(offset - kTco, data);
  bool power_off = false;
  {
    std::lock_guard lock(mutex_);
    uint16_t control = s_.pm1_control;
    bool control_written = false;
    for (size_t i = 0; i < data.size(); ++i) {
      if (In(offset + i, kControl, 2)) {
        SetByte(control, offset + i - kControl, data[i]);
        control_written = true;
      } else {
        WriteByte(offset + i, data[i]);
      }
    }
    if (control_written) power_off = WriteControl(control);
    UpdateSci();
  }
  if (power_off && callbacks_.power_off) callbacks_.power_off();
}

}  // namespace davit::devices
