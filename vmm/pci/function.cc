// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See function.h.
#include "vmm/pci/function.h"

#include <algorithm>
#include <bit>

#include "vmm/base/check.h"
#include "vmm/pci/bridge.h"
#include "vmm/pci/bus.h"
#include "vmm/pci/express.h"
#include "vmm/pci/host_bridge.h"

namespace davit::pci {
namespace {

constexpr bool Overlap(uint32_t offset, uint32_t size, uint32_t at, uint32_t length) {
  return offset < at + length && at < offset + size;
}

}  // namespace

Function::Function(const Identity& identity, FunctionOptions options)
    : options_(std::move(options)) {
  config_.Set16(kVendorId, identity.vendor);
  config_.Set16(kDeviceId, identity.device);
  config_.Set8(kRevision, identity.revision);
  config_.Set8(kProgIf, static_cast<uint8_t>(identity.class_code));
  config_.Set16(kClass, static_cast<uint16_t>(identity.class_code >> 8));
  config_.Set16(kSubsystemVendorId, identity.subsystem_vendor);
  config_.Set16(kSubsystemId, identity.subsystem);
  if (options_.multifunction) config_.Set8(kHeaderType, kHeaderMultifunction);
  config_.SetWritable(
      kCommand, 2,
      kCommandIo | kCommandMemory | kCommandMaster | kCommandSerr | kCommandIntxDisable);
  config_.SetWriteOneToClear(kStatus, 2, 0xf900);
  config_.SetWritable(kCacheLineSize, 1, 0xff);
  config_.SetWritable(kInterruptLine, 1, 0xff);
}

Function::~Function() { DAVIT_CHECK(bus_ == nullptr); }

void Function::AddBar(int index, const BarSpec& spec) {
  DAVIT_CHECK(index >= 0 && index < kBars && bars_[index].spec.size == 0);
  DAVIT_CHECK(std::has_single_bit(spec.size) && spec.size >= 2 && spec.device != nullptr);
  bars_[index].spec = spec;
  const uint32_t at = BarOffset(index);
  const uint64_t mask = ~(spec.size - 1);
  switch (spec.kind) {
    case BarKind::kIo:
      config_.Set32(at, 1);
      config_.SetWritable(at, 4, mask & ~uint64_t{3});
      return;
    case BarKind::kMemory32:
      config_.Set32(at, spec.prefetchable ? 8 : 0);
      config_.SetWritable(at, 4, mask);
      return;
    case BarKind::kMemory64:
      DAVIT_CHECK(index + 1 < kBars && bars_[index + 1].spec.size == 0);
      config_.Set32(at, spec.prefetchable ? 0xc : 4);
      config_.SetWritable(at, 8, mask);
      return;
  }
}

void Function::UsePin(uint8_t pin) {
  DAVIT_CHECK(pin >= 1 && pin <= 4);
  config_.Set8(kInterruptPin, pin);
}

void Function::SetIntx(bool level) {
  const std::lock_guard lock(irq_mutex_);
  intx_.store(level, std::memory_order_release);
  UpdatePin();
}

void Function::UpdatePin() {
  const bool asserted = intx_.load() && !intx_disabled_ && host_ != nullptr;
  if (asserted == pin_asserted_) return;
  pin_asserted_ = asserted;
  host_->deps_.intx.SetIntx(root_slot_, root_pin_, asserted);
}

void Function::Connect(Bus* bus, uint8_t devfn) {
  const std::lock_guard lock(irq_mutex_);
  const uint8_t pin = config_.Get8(kInterruptPin);
  if (bus == nullptr) {
    if (pin_asserted_) host_->deps_.intx.SetIntx(root_slot_, root_pin_, false);
    pin_asserted_ = false;
    intx_ = false;
    bus_ = nullptr;
    host_ = nullptr;
    return;
  }
  bus_ = bus;
  devfn_ = devfn;
  host_ = &bus->host();
  // PCI-to-PCI Bridge 1.2, 9.1: each bridge turns the pin by the device's number.
  root_slot_ = static_cast<uint8_t>(SlotOf(devfn));
  unsigned turned = pin == 0 ? 0 : pin - 1u;
  for (const Bridge* bridge = bus->bridge(); bridge; bridge = bridge->bus()->bridge()) {
    turned += root_slot_;
    root_slot_ = static_cast<uint8_t>(SlotOf(bridge->devfn()));
  }
  root_pin_ = static_cast<uint8_t>(turned % 4);
}

uint64_t Function::BarValue(int index) const {
  const BarSpec& spec = bars_[index].spec;
  const uint32_t at = BarOffset(index);
  const uint64_t raw = spec.kind == BarKind::kMemory64 ? config_.Get64(at) : config_.Get32(at);
  return raw & ~(spec.size - 1) & ~uint64_t{spec.kind == BarKind::kIo ? 3u : 0u};
}

std::optional<uint64_t> Function::Wanted(int index) const {
  const BarSpec& spec = bars_[index].spec;
  if (spec.size == 0 || bus_ == nullptr) return std::nullopt;
  const bool io = spec.kind == BarKind::kIo;
  if (!(config_.Get16(kCommand) & (io ? kCommandIo : kCommandMemory))) return std::nullopt;
  const uint64_t base = BarValue(index);
  const uint64_t last = base + (spec.size - 1);
  // All ones and all zeros are what sizing leaves.
  if (base == 0 || last < base) return std::nullopt;
  if (io && last > 0xffff) return std::nullopt;
  if (spec.kind == BarKind::kMemory32 && last >= 0xffffffff) return std::nullopt;
  if (last == ~uint64_t{0}) return std::nullopt;
  for (const Bridge* bridge = bus_->bridge(); bridge; bridge = bridge->bus()->bridge()) {
    if (!bridge->powered() || !bridge->Forwards(io, base, spec.size)) return std::nullopt;
  }
  return base;
}

bool Function::UpdateMappings() {
  bool unmapped = false;
  for (int i = 0; i < kBars; ++i) {
    Bar& bar = bars_[i];
    if (!bar.mapped || bar.mapped == Wanted(i)) continue;
    host_->Unmap(bar.spec.kind, *bar.mapped);
    bar.mapped.reset();
    OnBarMapped(i, std::nullopt);
    unmapped = true;
  }
  for (int i = 0; i < kBars; ++i) {
    Bar& bar = bars_[i];
    const auto wanted = Wanted(i);
    if (!wanted) bar.refused.reset();
    if (!wanted || bar.mapped || bar.refused == wanted) continue;
    if (host_->Map(*this, i, *wanted)) {
      bar.mapped = wanted;
      bar.refused.reset();
      OnBarMapped(i, wanted);
    } else {
      bar.refused = wanted;
    }
  }
  return unmapped;
}

void Function::ApplyCommand() {
  const uint16_t command = config_.Get16(kCommand);
  const bool master = command & kCommandMaster;
  if (bus_master_.exchange(master) != master) OnBusMaster(master);
  const std::lock_guard lock(irq_mutex_);
  intx_disabled_ = command & kCommandIntxDisable;
  UpdatePin();
}

void Function::ConfigRead(uint32_t offset, std::span<uint8_t> data) {
  std::fill(data.begin(), data.end(), 0xff);
  if (offset >= config_.size()) return;
  data = data.first(std::min<size_t>(data.size(), config_.size() - offset));
  const auto size = static_cast<uint32_t>(data.size());
  OnConfigRead(offset, size);
  config_.Read(offset, data);
  if (Overlap(offset, size, kStatus, 1) && intx_.load(std::memory_order_acquire)) {
    data[kStatus - offset] |= kStatusInterrupt;
  }
}

void Function::ConfigWrite(uint32_t offset, std::span<const uint8_t> data) {
  if (offset >= config_.size()) return;
  data = data.first(std::min<size_t>(data.size(), config_.size() - offset));
  const auto size = static_cast<uint32_t>(data.size());
  OnConfigWriting(offset, data);
  config_.Write(offset, data);
  if (express_ != 0 && Overlap(offset, size, express_ + kExpressDeviceControl, 2)) {
    const uint32_t at = express_ + kExpressDeviceControl;
    const bool asked = Overlap(offset, size, at + 1, 1) && (data[at + 1 - offset] & 0x80);
    if (asked && (config_.Get32(express_ + 4) & kDeviceCapabilityFlr)) {  // kDeviceControlFlr
      OnFunctionLevelReset();
      ResetConfig();
      return;
    }
  }
  if (Overlap(offset, size, kCommand, 2)) ApplyCommand();
  if (Overlap(offset, size, kCommand, 2) || Overlap(offset, size, kBar0, 4 * kBars)) {
    if (UpdateMappings()) host_->RetryRefused();
  }
  for (ConfigListener* listener : listeners_) listener->OnConfigWritten(offset, size);
  OnConfigWritten(offset, size);
}

void Function::Reset() {
  OnReset();
  if (host_ == nullptr) return;
  const auto lock = host_->Lock();
  ResetConfig();
}

void Function::ResetConfig() {
  config_.Reset();
  SetIntx(false);
  for (ConfigListener* listener : listeners_) listener->OnConfigReset();
  ApplyCommand();
  OnConfigReset();
  if (host_ != nullptr && UpdateMappings()) host_->RetryRefused();
}

std::vector<Function::BarInfo> Function::bars() const {
  std::vector<BarInfo> result;
  for (int i = 0; i < kBars; ++i) {
    if (bars_[i].spec.size == 0) continue;
    result.push_back({i, bars_[i].spec, BarValue(i), bars_[i].mapped});
  }
  return result;
}

}  // namespace davit::pci
