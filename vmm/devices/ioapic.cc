// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ioapic.h.
#include "vmm/devices/ioapic.h"

#include <algorithm>

#include "vmm/base/endian.h"

namespace davit::devices {
namespace {

enum Offset : uint64_t { kSelect = 0x00, kWindow = 0x10, kEoi = 0x40 };
enum Index : uint8_t { kId = 0x00, kVersion = 0x01, kArbitration = 0x02, kTable = 0x10 };

constexpr uint64_t kVectorMask = 0xff;
constexpr uint64_t kDeliveryStatus = 1u << 12;
constexpr uint64_t kRemoteIrr = 1u << 14;
constexpr uint64_t kLevel = 1u << 15;
constexpr uint64_t kMasked = 1u << 16;
constexpr uint64_t kReadOnly = kDeliveryStatus | kRemoteIrr;
constexpr uint64_t kDefined = 0xff000000'0001ffffull;

constexpr uint64_t kMsiBase = 0xfee00000;

Ioapic::Message ToMessage(uint64_t entry) {
  const uint64_t destination = entry >> 56;
  const uint64_t logical = (entry >> 11) & 1;
  const bool level = entry & kLevel;
  Ioapic::Message message;
  message.address = kMsiBase | destination << 12 | logical << 2;
  // Vector and delivery mode lie alike in both; a level message also says "assert".
  message.data = static_cast<uint32_t>(entry & 0x7ff);
  if (level) message.data |= 1u << 15 | 1u << 14;
  message.level = level;
  message.masked = entry & kMasked;
  return message;
}

}  // namespace

Ioapic::Ioapic(Sink& sink) : sink_(sink) {
  for (unsigned n = 0; n < kPins; ++n) pins_.push_back(std::make_unique<Pin>(*this, n));
  s_.entries.fill(kMasked);
}

void Ioapic::Reset() {
  std::lock_guard lock(mutex_);
  const uint32_t lines = s_.lines;  // the devices hold them
  s_ = IoapicState();
  s_.lines = lines;
  s_.entries.fill(kMasked);
  for (unsigned n = 0; n < kPins; ++n) sink_.EntryChanged(n, ToMessage(kMasked));
}

IoapicState Ioapic::state() const {
  std::lock_guard lock(mutex_);
  return s_;
}

Ioapic::Message Ioapic::message(unsigned pin) const {
  std::lock_guard lock(mutex_);
  return ToMessage(s_.entries[pin]);
}

// An edge on a masked pin is lost, as the data sheet says; a level stays.
void Ioapic::SetPin(unsigned n, bool level) {
  std::lock_guard lock(mutex_);
  const uint32_t bit = 1u << n;
  const bool rising = level && !(s_.lines & bit);
  s_.lines = level ? s_.lines | bit : s_.lines & ~bit;
  const uint64_t entry = s_.entries[n];
  if (entry & kLevel) {
    ServeLevel(n);
  } else if (rising && !(entry & kMasked)) {
    sink_.Deliver(n, ToMessage(entry));
  }
}

void Ioapic::ServeLevel(unsigned n) {
  uint64_t& entry = s_.entries[n];
  if (!(s_.lines >> n & 1) || !(entry & kLevel) || (entry & (kMasked | kRemoteIrr))) return;
  entry |= kRemoteIrr;
  sink_.Deliver(n, ToMessage(entry));
}

void Ioapic::EndOfInterrupt(uint8_t vector) {
  std::lock_guard lock(mutex_);
  EndLocked(vector);
}

void Ioapic::EndLocked(uint8_t vector) {
  for (unsigned n = 0; n < kPins; ++n) {
    uint64_t& entry = s_.entries[n];
    if (!(entry & kLevel) || !(entry & kRemoteIrr) || (entry & kVectorMask) != vector) continue;
    entry &= ~kRemoteIrr;
    ServeLevel(n);
  }
}

uint32_t Ioapic::ReadRegister() const {
  switch (s_.index) {
    case kId:
    case kArbitration:
      return static_cast<uint32_t>(s_.id) << 24;
    case kVersion:
      return kHardwareVersion | (kPins - 1) << 16;
    default:
      break;
  }
  const unsigned n = (s_.index - kTable) / 2u;
  if (s_.index < kTable || n >= kPins) return 0;
  return static_cast<uint32_t>(s_.index & 1 ? s_.entries[n] >> 32 : s_.entries[n]);
}

void Ioapic::WriteRegister(uint32_t value) {
  if (s_.index == kId) {
    s_.id = (value >> 24) & 0x0f;
    return;
  }
  const unsigned n = (s_.index - kTable) / 2u;
  if (s_.index < kTable || n >= kPins) return;
  const uint64_t old = s_.entries[n];
  if (s_.index & 1) {
    WriteEntry(n, (old & 0xffffffff) | static_cast<uint64_t>(value) << 32);
  } else {
    WriteEntry(n, (old & ~uint64_t{0xffffffff}) | value);
  }
}

void Ioapic::WriteEntry(unsigned n, uint64_t value) {
  uint64_t& entry = s_.entries[n];
  const Message before = ToMessage(entry);
  entry = (value & kDefined & ~kReadOnly) | (entry & kReadOnly);
  if (!(entry & kLevel)) entry &= ~kRemoteIrr;  // how guests clear a stuck one
  const Message after = ToMessage(entry);
  if (!(after == before)) sink_.EntryChanged(n, after);
  ServeLevel(n);
}

void Ioapic::Read(uint64_t offset, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0);
  std::lock_guard lock(mutex_);
  if (offset == kSelect) {
    data[0] = s_.index;
  } else if (offset == kWindow && data.size() == 4) {
    StoreLe(data.data(), 4, ReadRegister());
  }
}

void Ioapic::Write(uint64_t offset, std::span<const uint8_t> data) {
  std::lock_guard lock(mutex_);
  if (offset == kSelect) {
    s_.index = data[0];
  } else if (offset == kWindow && data.size() == 4) {
    WriteRegister(static_cast<uint32_t>(LoadLe(data.data(), 4)));
  } else if (offset == kEoi) {
    EndLocked(data[0]);
  }
}

}  // namespace davit::devices
