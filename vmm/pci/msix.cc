// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See msix.h.
#include "vmm/pci/msix.h"

#include <algorithm>
#include <bit>

#include "vmm/base/check.h"
#include "vmm/base/endian.h"
#include "vmm/base/log.h"
#include "vmm/pci/host_bridge.h"

namespace davit::pci {
namespace {

constexpr uint32_t kCapabilitySize = 12;
constexpr uint32_t kControl = 2;
constexpr uint16_t kEnable = 0x8000;
constexpr uint16_t kFunctionMask = 0x4000;
constexpr uint32_t kEntrySize = 16;
constexpr uint32_t kMasked = 1;

}  // namespace

Msix::Msix(Function& function, const MsixConfig& config)
    : function_(function), config_(config), vectors_(config.vectors) {
  DAVIT_CHECK(config.vectors >= 1 && config.vectors <= kMaxVectors);
  ConfigSpace& space = function.config();
  capability_ = space.AddCapability(kCapMsix, kCapabilitySize, config.capability_offset);
  const auto bar = static_cast<uint32_t>(config.bar);
  space.Set16(capability_ + kControl, static_cast<uint16_t>(config.vectors - 1));
  space.Set32(capability_ + 4, config.table_offset | bar);
  space.Set32(capability_ + 8, config.pba_offset | bar);
  space.SetWritable(capability_ + kControl, 2, kEnable | kFunctionMask);
  function.AddListener(this);
}

Msix::~Msix() = default;

std::unique_ptr<Msix> Msix::InOwnBar(Function& function, int bar, uint16_t vectors,
                                     uint32_t capability_offset) {
  const uint32_t table = vectors * kEntrySize;
  const uint32_t pba = std::max<uint32_t>(0x800, table);
  const uint32_t end = pba + (vectors + 63) / 64 * 8;
  auto msix = std::make_unique<Msix>(function, MsixConfig{.vectors = vectors,
                                                          .bar = bar,
                                                          .table_offset = 0,
                                                          .pba_offset = pba,
                                                          .capability_offset = capability_offset});
  function.AddBar(bar, {.kind = BarKind::kMemory32,
                        .prefetchable = false,
                        .size = std::bit_ceil(std::max<uint32_t>(0x1000, end)),
                        .device = msix.get()});
  return msix;
}

void Msix::Trigger(uint16_t index) {
  const std::lock_guard lock(mutex_);
  if (index >= vectors_.size()) return;
  Vector& vector = vectors_[index];
  if (!enabled() || function_masked_ || (vector.control & kMasked)) {
    vector.pending = true;
    return;
  }
  Send(vector);
}

void Msix::Send(Vector& vector) {
  vector.pending = false;
  if (vector.route && vector.set && function_.bus_master()) vector.route->Trigger();
}

void Msix::Refresh(Vector& vector) {
  if (!enabled() || function_masked_ || (vector.control & kMasked)) return;
  if (!vector.route) {
    auto route = function_.host()->msi().NewRoute();
    if (!route) {
      if (!std::exchange(out_of_routes_, true)) {
        DAVIT_LOG_ERROR("{}: an MSI-X vector has no way to the guest: {}", function_.driver(),
                        route.error().message);
      }
      return;
    }
    vector.route = std::move(*route);
  }
  if (!vector.set) vector.set = vector.route->Set({vector.address, vector.data}).has_value();
  if (vector.pending) Send(vector);
}

uint8_t Msix::ReadByte(uint64_t offset) const {
  if (offset >= config_.table_offset) {
    const uint64_t at = offset - config_.table_offset;
    if (at / kEntrySize < vectors_.size()) {
      const Vector& vector = vectors_[at / kEntrySize];
      const uint64_t in = at % kEntrySize;
      if (in < 8) return static_cast<uint8_t>(vector.address >> (8 * in));
      if (in < 12) return static_cast<uint8_t>(vector.data >> (8 * (in - 8)));
      return static_cast<uint8_t>(vector.control >> (8 * (in - 12)));
    }
  }
  if (offset < config_.pba_offset) return 0;
  uint8_t bits = 0;
  for (uint64_t i = 0; i < 8; ++i) {
    const uint64_t index = (offset - config_.pba_offset) * 8 + i;
    if (index < vectors_.size() && vectors_[index].pending) bits |= static_cast<uint8_t>(1 << i);
  }
  return bits;
}

void Msix::Read(uint64_t offset, std::span<uint8_t> data) {
  const std::lock_guard lock(mutex_);
  for (uint8_t& byte : data) byte = ReadByte(offset++);
}

void Msix::Write(uint64_t offset, std::span<const uint8_t> data) {
  const std::lock_guard lock(mutex_);
  const auto put = [](auto& field, uint64_t byte, uint8_t value) {
    const unsigned shift = static_cast<unsigned>(8 * byte);
    using Field = std::remove_reference_t<decltype(field)>;
    field = (field & ~(Field{0xff} << shift)) | Field{value} << shift;
  };
  size_t first = vectors_.size(), last = 0;
  for (const uint8_t value : data) {
    const uint64_t at = offset++ - config_.table_offset;  // before the table: wraps, out of range
    const uint64_t index = at / kEntrySize;
    if (index >= vectors_.size()) continue;
    Vector& vector = vectors_[index];
    const uint64_t in = at % kEntrySize;
    if (in < 8) {
      put(vector.address, in, value);
    } else if (in < 12) {
      put(vector.data, in - 8, value);
    } else {
      put(vector.control, in - 12, value);
    }
    if (in < 12) vector.set = false;
    first = std::min<size_t>(first, index);
    last = std::max<size_t>(last, index);
  }
  for (size_t i = first; i <= last && i < vectors_.size(); ++i) Refresh(vectors_[i]);
}

void Msix::OnConfigWritten(uint32_t offset, uint32_t size) {
  if (offset >= capability_ + 4 || offset + size <= capability_ + kControl) return;
  const uint16_t control = function_.config().Get16(capability_ + kControl);
  // An Express function that uses MSI-X does not use its pin (PCI 3.0, 6.8.3.3).
  if (control & kEnable) function_.SetIntx(false);
  const std::lock_guard lock(mutex_);
  enabled_.store(control & kEnable, std::memory_order_release);
  function_masked_ = control & kFunctionMask;
  for (Vector& vector : vectors_) Refresh(vector);
}

void Msix::OnConfigReset() {
  const std::lock_guard lock(mutex_);
  enabled_ = false;
  function_masked_ = false;
  for (Vector& vector : vectors_) vector = Vector{};
}

}  // namespace davit::pci
