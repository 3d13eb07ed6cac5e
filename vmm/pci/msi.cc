// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See msi.h.
#include "vmm/pci/msi.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/pci/host_bridge.h"

namespace davit::pci {
namespace {

constexpr uint32_t kControl = 2;
constexpr uint32_t kAddress = 4;
constexpr uint16_t kEnable = 0x0001;
constexpr uint16_t kGrantShift = 4, kCapableShift = 1;
constexpr uint16_t kAddress64 = 0x0080;
constexpr uint16_t kMaskable = 0x0100;

}  // namespace

uint32_t Msi::DataOffset() const { return capability_ + (config_.address64 ? 12 : 8); }
uint32_t Msi::MaskOffset() const { return DataOffset() + 4; }
uint32_t Msi::Size() const { return (config_.address64 ? 14 : 10) + (config_.maskable ? 10 : 0); }

Msi::Msi(Function& function, const MsiConfig& config)
    : function_(function), config_(config), routes_(config.vectors) {
  DAVIT_CHECK(std::has_single_bit(config.vectors) && config.vectors <= 32);
  ConfigSpace& space = function.config();
  capability_ = space.AddCapability(kCapMsi, Size(), config.capability_offset);
  const auto capable = static_cast<unsigned>(std::countr_zero(config.vectors));
  space.Set16(capability_ + kControl,
              static_cast<uint16_t>(capable << kCapableShift | (config.address64 ? kAddress64 : 0) |
                                    (config.maskable ? kMaskable : 0)));
  space.SetWritable(capability_ + kControl, 2, kEnable | 7 << kGrantShift);
  space.SetWritable(capability_ + kAddress, 4, 0xfffffffc);
  if (config.address64) space.SetWritable(capability_ + kAddress + 4, 4, 0xffffffff);
  space.SetWritable(DataOffset(), 2, 0xffff);
  if (config.maskable) {
    space.SetWritable(MaskOffset(), 4, 0xffffffffu >> (32 - config.vectors));
  }
  function.AddListener(this);
}

Msi::~Msi() = default;

void Msi::Trigger(uint8_t vector) {
  const std::lock_guard lock(mutex_);
  if (!enabled()) return;
  if (vector >= granted_) vector = 0;
  if (mask_ & 1u << vector) {
    pending_ |= 1u << vector;
    return;
  }
  Send(vector);
}

void Msi::Send(uint8_t vector) {
  pending_ &= ~(1u << vector);
  if (!function_.bus_master()) return;
  auto& route = routes_[vector];
  if (route) route->Trigger();
}

void Msi::SetRoutes() {
  for (uint8_t i = 0; i < granted_; ++i) {
    if (mask_ & 1u << i) continue;
    if (!routes_[i]) {
      auto route = function_.host()->msi().NewRoute();
      if (!route) {
        if (!std::exchange(out_of_routes_, true)) {
          DAVIT_LOG_ERROR("{}: an MSI vector has no way to the guest: {}", function_.driver(),
                          route.error().message);
        }
        return;
      }
      routes_[i] = std::move(*route);
    }
    // The low bits of the data choose the vector (6.8.1.6).
    const uint32_t data = (message_.data & ~uint32_t{granted_ - 1u}) | i;
    (void)routes_[i]->Set({message_.address, data});
  }
}

void Msi::OnConfigWritten(uint32_t offset, uint32_t size) {
  if (offset >= capability_ + Size() || offset + size <= capability_ + kControl) return;
  const ConfigSpace& space = function_.config();
  const uint16_t control = space.Get16(capability_ + kControl);
  if (control & kEnable) function_.SetIntx(false);
  const std::lock_guard lock(mutex_);
  const unsigned granted = 1u << (control >> kGrantShift & 7);
  granted_ = static_cast<uint8_t>(std::min<unsigned>(granted, config_.vectors));
  message_.address = space.Get32(capability_ + kAddress);
  if (config_.address64) {
    message_.address |= uint64_t{space.Get32(capability_ + kAddress + 4)} << 32;
  }
  message_.data = space.Get16(DataOffset());
  mask_ = config_.maskable ? space.Get32(MaskOffset()) : 0;
  enabled_.store(control & kEnable, std::memory_order_release);
  if (!(control & kEnable)) return;
  SetRoutes();
  for (uint8_t i = 0; i < granted_; ++i) {
    if (pending_ & ~mask_ & 1u << i) Send(i);
  }
}

void Msi::RefreshPending() {
  if (!config_.maskable) return;
  const std::lock_guard lock(mutex_);
  function_.config().Set32(MaskOffset() + 4, pending_);
}

void Msi::OnConfigReset() {
  const std::lock_guard lock(mutex_);
  enabled_ = false;
  mask_ = 0;
  pending_ = 0;
  granted_ = 1;
  for (auto& route : routes_) route.reset();
}

}  // namespace davit::pci
