// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See i6300esb.h.
#include "vmm/pci/i6300esb.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "vmm/base/endian.h"

namespace davit::pci {
namespace {

// Configuration space.
constexpr uint32_t kConfigReg = 0x60;
constexpr uint16_t kConfigBits = 0x0035;
constexpr uint16_t kFastClock = 0x0004;
constexpr uint16_t kOutputOff = 0x0020;
constexpr uint32_t kLockReg = 0x68;
constexpr uint8_t kLockBits = 0x07;
constexpr uint8_t kLock = 1, kEnable = 2, kFreeRunning = 4;

// BAR 0.
constexpr uint64_t kBarSize = 16;
constexpr uint64_t kPreload1 = 0x0, kPreload2 = 0x4, kReload = 0xc;
constexpr uint32_t kPreloadBits = 0xfffff;
constexpr uint16_t kUnlockFirst = 0x80, kUnlockSecond = 0x86;
constexpr uint16_t kReloadBit = 0x0100, kTimedOutBit = 0x0200;
constexpr uint16_t kTimedOutRead = 0x1200;

// A guest that lets the timers run freely at their shortest does not keep the host busy.
constexpr io::Clock::duration kShortest = std::chrono::microseconds(500);

constexpr bool Touches(uint32_t offset, uint32_t size, uint32_t at, uint32_t length) {
  return offset < at + length && at < offset + size;
}

}  // namespace

I6300esb::I6300esb(I6300esbConfig config, io::EventLoop& loop)
    : Function({.vendor = 0x8086, .device = 0x25ab, .revision = 0, .class_code = 0x088000},
               config.function),
      expired_(std::move(config.expired)),
      loop_(loop) {
  AddBar(0, {.kind = BarKind::kMemory32, .prefetchable = false, .size = kBarSize, .device = this});
}

I6300esb::~I6300esb() { *alive_ = false; }

// --- registers ---------------------------------------------------------------------------------

void I6300esb::OnConfigRead(uint32_t offset, uint32_t size) {
  if (!Touches(offset, size, kConfigReg, kLockReg + 1 - kConfigReg)) return;
  uint16_t value = 0;
  uint8_t lock = 0;
  {
    const std::lock_guard guard(mutex_);
    value = state_.config;
    lock = state_.lock;
  }
  config().Set16(kConfigReg, value);
  config().Set8(kLockReg, lock);
}

void I6300esb::OnConfigWritten(uint32_t offset, uint32_t size) {
  const uint16_t value = config().Get16(kConfigReg) & kConfigBits;
  const uint8_t lock = config().Get8(kLockReg) & kLockBits;
  const std::lock_guard guard(mutex_);
  if (Touches(offset, size, kConfigReg, 2)) state_.config = value;
  if (!Touches(offset, size, kLockReg, 1) || state_.lock & kLock) return;
  const bool was = enabled();
  state_.lock = lock;
  if (enabled() && !was) Start(0);
}

void I6300esb::Read(uint64_t offset, std::span<uint8_t> data) {
  const std::lock_guard guard(mutex_);
  uint8_t registers[kBarSize] = {};
  StoreLe(&registers[kReload], 2, timed_out_ ? kTimedOutRead : 0);
  std::fill(data.begin(), data.end(), 0);
  for (size_t i = 0; i < data.size() && offset + i < kBarSize; ++i) data[i] = registers[offset + i];
}

void I6300esb::Write(uint64_t offset, std::span<const uint8_t> data) {
  const std::lock_guard guard(mutex_);
  const auto value = static_cast<uint32_t>(LoadLe(data.data(), std::min<size_t>(data.size(), 4)));
  if (offset == kReload) return WriteReload(static_cast<uint16_t>(value));
  const bool open = state_.unlock == Unlock::kOpen;
  if (data.size() != 4 || !open || (offset != kPreload1 && offset != kPreload2)) return;
  state_.preload[offset == kPreload1 ? 0 : 1] = value & kPreloadBits;
  state_.unlock = Unlock::kLocked;
}

void I6300esb::WriteReload(uint16_t value) {
  if (value == kUnlockFirst) {
    state_.unlock = Unlock::kHalf;
  } else if (value == kUnlockSecond && state_.unlock == Unlock::kHalf) {
    state_.unlock = Unlock::kOpen;
  } else if (state_.unlock == Unlock::kOpen) {
    if (value & kReloadBit) Start(0);
    if (value & kTimedOutBit) timed_out_ = false;
    state_.unlock = Unlock::kLocked;
  }
}

// --- timers ------------------------------------------------------------------------------------

bool I6300esb::enabled() const { return state_.lock & kEnable; }

io::Clock::duration I6300esb::Period(int stage) const {
  const uint64_t ticks = uint64_t{state_.preload[stage]} << (state_.config & kFastClock ? 5 : 15);
  return std::max<io::Clock::duration>(kShortest, std::chrono::nanoseconds(ticks * 1000 / 33));
}

void I6300esb::Start(int stage) {
  if (!enabled()) return;
  state_.stage = stage;
  state_.left = Period(stage);
  if (!running_) return;
  state_.deadline = loop_.Now() + state_.left;
  Arm();
}

// A timer that comes too early sets the next one, so that a guest's many reloads cost nothing here.
void I6300esb::Arm() {
  if (std::exchange(posted_, true)) return;
  loop_.Post([this, alive = alive_] {
    if (*alive) SetTimer();
  });
}

void I6300esb::SetTimer() {
  const std::lock_guard guard(mutex_);
  posted_ = false;
  if (!running_ || !enabled()) {
    timer_.reset();
    return;
  }
  if (timer_ != nullptr && timer_at_ <= state_.deadline) return;
  timer_at_ = state_.deadline;
  timer_ = loop_.At(timer_at_, [this] { TimerRan(); });
}

void I6300esb::TimerRan() {
  bool fire = false;
  {
    const std::lock_guard guard(mutex_);
    timer_.reset();
    if (!running_ || !enabled()) return;
    if (loop_.Now() < state_.deadline) {
      Arm();
      return;
    }
    if (state_.stage == 0) {
      Start(1);
      return;
    }
    fire = !(state_.config & kOutputOff);
    if (fire) {
      timed_out_ = true;
      state_ = {};
    } else if (state_.lock & kFreeRunning) {
      Start(0);
    }
  }
  if (fire) expired_();
}

void I6300esb::OnRunning(bool running) {
  const std::lock_guard guard(mutex_);
  if (running == running_) return;
  running_ = running;
  const auto now = loop_.Now();
  if (running) {
    state_.deadline = now + state_.left;
    Arm();
  } else {
    state_.left = std::max<io::Clock::duration>(state_.deadline - now, {});
  }
}

void I6300esb::OnReset() {
  const std::lock_guard guard(mutex_);
  state_ = {};
}

}  // namespace davit::pci
