// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ich9_tco.h.
#include "vmm/devices/ich9_tco.h"

#include <algorithm>
#include <utility>

namespace davit::devices {
namespace {

enum Register : uint64_t {
  kReload = 0x00,
  kDataIn = 0x02,
  kDataOut = 0x03,
  kStatus1 = 0x04,
  kStatus2 = 0x06,
  kControl1 = 0x08,
  kControl2 = 0x0a,
  kMessage1 = 0x0c,
  kMessage2 = 0x0d,
  kBootStatus = 0x0e,
  kSoftwareIrq = 0x10,
  kInitial = 0x12,
};

constexpr uint16_t kCountMask = 0x03ff;
constexpr uint16_t kSoftwareSmi = 1 << 1, kInterrupt = 1 << 2, kTimeout = 1 << 3;  // TCO1_STS
constexpr uint16_t kSecondTimeout = 1 << 1, kBoot = 1 << 2;                        // TCO2_STS
constexpr uint16_t kHalt = 1 << 11, kLock = 1 << 12;                               // TCO1_CNT
constexpr uint16_t kControl1Writable = 0xfeff;

}  // namespace

Ich9Tco::Ich9Tco(io::EventLoop& loop, std::function<void()> expired)
    : loop_(loop), expired_(std::move(expired)), timer_(loop, [this] { Expired(); }) {}

void Ich9Tco::Strap(bool no_reboot) {
  std::lock_guard lock(mutex_);
  strap_ = no_reboot;
}

void Ich9Tco::SetNoReboot(bool no_reboot) {
  std::lock_guard lock(mutex_);
  no_reboot_ = no_reboot;
}

bool Ich9Tco::locked() const {
  std::lock_guard lock(mutex_);
  return r_.control1 & kLock;
}

void Ich9Tco::Reset() {
  std::lock_guard lock(mutex_);
  const uint16_t kept = r_.status2 & kSecondTimeout;
  r_ = Registers();
  r_.status2 = kept;
  expiries_ = 0;
  Stop();
}

void Ich9Tco::Run(bool running) {
  std::lock_guard lock(mutex_);
  if (running == !held_) return;
  const io::Clock::time_point now = loop_.Now();
  if (running) {
    if (deadline_) *deadline_ += now - *held_;
    held_.reset();
  } else {
    held_ = now;
  }
  UpdateTimer();
}

// 13.9.11 of the data book: an initial value of 0 or 1 is ignored.
bool Ich9Tco::CanCount() const { return !(r_.control1 & kHalt) && (r_.initial & kCountMask) > 1; }

void Ich9Tco::Start() {
  r_.reload = r_.initial;
  deadline_ = held_.value_or(loop_.Now()) + (r_.initial & kCountMask) * kTick;
  UpdateTimer();
}

void Ich9Tco::Stop() {
  deadline_.reset();
  UpdateTimer();
}

void Ich9Tco::UpdateTimer() {
  if (deadline_ && !held_) {
    timer_.Arm(*deadline_);
  } else {
    timer_.Cancel();
  }
}

void Ich9Tco::Expired() {
  bool fire = false;
  {
    std::lock_guard lock(mutex_);
    // The guest may have started it anew, or stopped it, while this was on its way.
    if (!deadline_ || held_ || loop_.Now() < *deadline_) return;
    r_.status1 |= kTimeout;
    if (++expiries_ == 2) {
      expiries_ = 0;
      r_.status2 |= kSecondTimeout | kBoot;
      fire = !strap_ && !no_reboot_;
    }
    if (fire) {
      r_.reload = 0;
      Stop();
    } else {
      Start();
    }
  }
  if (fire && expired_) expired_();
}

uint16_t Ich9Tco::ReadRegister(uint64_t offset) const {
  switch (offset) {
    case kReload: {
      if (!deadline_) return r_.reload;
      const auto left = std::max(*deadline_ - held_.value_or(loop_.Now()), io::Clock::duration(0));
      return static_cast<uint16_t>((r_.reload & ~kCountMask) |
                                   (static_cast<uint64_t>(left / kTick) & kCountMask));
    }
    case kDataIn:
      return r_.data_in;
    case kDataOut:
      return r_.data_out;
    case kStatus1:
      return r_.status1;
    case kStatus2:
      return r_.status2;
    case kControl1:
      return r_.control1;
    case kControl2:
      return r_.control2;
    case kMessage1:
      return r_.message1;
    case kMessage2:
      return r_.message2;
    case kBootStatus:
      return r_.boot_status;
    case kSoftwareIrq:
      return r_.software_irq;
    case kInitial:
      return r_.initial;
    default:
      return 0;
  }
}

void Ich9Tco::WriteRegister(uint64_t offset, uint16_t value) {
  const auto low = static_cast<uint8_t>(value);
  switch (offset) {
    case kReload:
      expiries_ = 0;
      if (CanCount()) {
        Start();
      } else {
        r_.reload = value;
      }
      break;
    case kDataIn:
      r_.data_in = low;
      r_.status1 |= kSoftwareSmi;
      break;
    case kDataOut:
      r_.data_out = low;
      r_.status1 |= kInterrupt;
      break;
    case kStatus1:
      r_.status1 &= static_cast<uint16_t>(~value);
      break;
    case kStatus2:
      r_.status2 &= static_cast<uint16_t>(~value);
      break;
    case kControl1:
      // Only a reset unlocks it.
      r_.control1 = static_cast<uint16_t>((value & kControl1Writable) | (r_.control1 & kLock));
      if (CanCount()) {
        Start();
      } else {
        Stop();
      }
      break;
    case kControl2:
      r_.control2 = value;
      break;
    case kMessage1:
      r_.message1 = low;
      break;
    case kMessage2:
      r_.message2 = low;
      break;
    case kBootStatus:
      r_.boot_status = low;
      break;
    case kSoftwareIrq:
      r_.software_irq = low;
      break;
    case kInitial:
      r_.initial = value;
      break;
    default:
      break;
  }
}

// An aligned access is one of registers, others are of bytes. A byte is the low one of its
// register, as in QEMU: the high ones cannot be reached alone.
void Ich9Tco::Read(uint64_t offset, std::span<uint8_t> data) {
  std::lock_guard lock(mutex_);
  const size_t step = offset % 2 == 0 && data.size() % 2 == 0 ? 2 : 1;
  for (size_t i = 0; i < data.size(); i += step) {
    const uint16_t value = ReadRegister(offset + i);
    data[i] = static_cast<uint8_t>(value);
    if (step == 2) data[i + 1] = static_cast<uint8_t>(value >> 8);
  }
}

void Ich9Tco::Write(uint64_t offset, std::span<const uint8_t> data) {
  std::lock_guard lock(mutex_);
  const size_t step = offset % 2 == 0 && data.size() % 2 == 0 ? 2 : 1;
  for (size_t i = 0; i < data.size(); i += step) {
    const unsigned high = step == 2 ? data[i + 1] : 0;
    WriteRegister(offset + i, static_cast<uint16_t>(data[i] | high << 8));
  }
}

}  // namespace davit::devices
