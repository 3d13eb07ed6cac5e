// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See transports.h: virtio over PCI (virtio 1.2, 4.1.4).
#include <algorithm>

#include "tests/support/virtio/transports.h"

namespace davit::qtest {
namespace {

constexpr uint16_t kVendor = 0x1af4, kFirstModernDevice = 0x1040;
constexpr uint8_t kCommon = 1, kNotify = 2, kIsr = 3, kDevice = 4;
constexpr uint16_t kNoVector = 0xffff;

enum Offset : uint32_t {
  kDeviceFeatureSelect = 0x00,
  kDeviceFeature = 0x04,
  kDriverFeatureSelect = 0x08,
  kDriverFeature = 0x0c,
  kConfigVector = 0x10,
  kDeviceStatus = 0x14,
  kConfigGeneration = 0x15,
  kQueueSelect = 0x16,
  kQueueSize = 0x18,
  kQueueVector = 0x1a,
  kQueueEnable = 0x1c,
  kQueueNotifyOff = 0x1e,
  kQueueDesc = 0x20,
  kQueueDriver = 0x28,
  kQueueDevice = 0x30,
  kQueueReset = 0x3a,
};

}  // namespace

std::vector<Bdf> PciFunctionsOf(Machine& machine, uint16_t id) {
  std::vector<Bdf> found = PciScan(machine);
  std::erase_if(found, [&](Bdf bdf) {
    const uint32_t ids = PciRead(machine, bdf, kPciVendor, 4);
    if ((ids & 0xffff) != kVendor) return true;
    const uint32_t device = ids >> 16;
    if (device >= kFirstModernDevice) return device != uint32_t{kFirstModernDevice} + id;
    return PciRead(machine, bdf, kPciSubsystem, 2) != id;  // transitional
  });
  return found;
}

VirtioPci::VirtioPci(Machine& machine, Bdf bdf, bool msix)
    : Virtio(machine), function_(machine, bdf) {
  for (size_t nth = 0;; ++nth) {
    const auto at = function_.Capability(kPciCapVendor, nth);
    if (!at) break;
    const uint32_t type = function_.Read(*at + 3U, 1), bar = function_.Read(*at + 4U, 1);
    if (type == kNotify && function_.port(bar)) notify_port_ = function_.bar(bar);
    if (type < kCommon || type > kDevice || structures_[type] != 0 || function_.port(bar)) continue;
    structures_[type] = function_.bar(bar) + function_.Read(*at + 8U, 4);
    if (type == kNotify) notify_multiplier_ = function_.Read(*at + 16U, 4);
  }
  for (uint8_t type : {kCommon, kNotify, kIsr}) {
    if (structures_[type] == 0) machine.Die("a virtio capability is missing");
  }
  msix_ = msix && function_.EnableMsix();
}

void VirtioPci::Select(uint16_t index) { SetCommon(kQueueSelect, 2, index); }

uint64_t VirtioPci::OfferedFeatures() {
  SetCommon(kDeviceFeatureSelect, 4, 0);
  const uint64_t low = Common(kDeviceFeature, 4);
  SetCommon(kDeviceFeatureSelect, 4, 1);
  return low | Common(kDeviceFeature, 4) << 32;
}

void VirtioPci::AcceptFeatures(uint64_t features) {
  SetCommon(kDriverFeatureSelect, 4, 0);
  SetCommon(kDriverFeature, 4, features & 0xffffffff);
  SetCommon(kDriverFeatureSelect, 4, 1);
  SetCommon(kDriverFeature, 4, features >> 32);
  if (msix_) SetCommon(kConfigVector, 2, 0);
}

uint8_t VirtioPci::Status() { return static_cast<uint8_t>(Common(kDeviceStatus, 1)); }
void VirtioPci::SetStatus(uint8_t status) { SetCommon(kDeviceStatus, 1, status); }
uint8_t VirtioPci::Generation() { return static_cast<uint8_t>(Common(kConfigGeneration, 1)); }

uint64_t VirtioPci::ReadConfig(uint32_t offset, unsigned size) {
  const uint64_t at = Structure(kDevice) + offset;
  if (size <= 4) return machine_.Read(at, size);
  return machine_.Read(at, 4) | machine_.Read(at + 4, 4) << 32;
}

void VirtioPci::WriteConfig(uint32_t offset, unsigned size, uint64_t value) {
  machine_.Write(Structure(kDevice) + offset, size, value);
}

uint16_t VirtioPci::QueueMax(uint16_t index) {
  Select(index);
  return static_cast<uint16_t>(Common(kQueueSize, 2));
}

size_t VirtioPci::VectorOf(uint16_t index) const {
  return std::min<size_t>(index + size_t{1}, function_.vectors() - 1);
}

void VirtioPci::EnableQueue(uint16_t index, const Ring& ring) {
  Select(index);
  SetCommon(kQueueSize, 2, ring.size());
  if (msix_) {
    SetCommon(kQueueVector, 2, VectorOf(index));
    if (Common(kQueueVector, 2) == kNoVector) machine_.Die("the device refuses a vector");
  }
  const std::pair<uint32_t, uint64_t> areas[] = {
      {kQueueDesc, ring.desc()}, {kQueueDriver, ring.driver()}, {kQueueDevice, ring.device()}};
  for (const auto& [offset, address] : areas) {
    SetCommon(offset, 4, address & 0xffffffff);
    SetCommon(offset + 4, 4, address >> 32);
  }
  SetCommon(kQueueEnable, 2, 1);
}

bool VirtioPci::QueueReady(uint16_t index) {
  Select(index);
  return Common(kQueueEnable, 2) == 1;
}

void VirtioPci::ResetQueue(uint16_t index) {
  Select(index);
  SetCommon(kQueueReset, 2, 1);
  if (!machine_.WaitFor([this] { return Common(kQueueReset, 2) == 0; })) {
    machine_.Die("the queue does not reset");
  }
}

void VirtioPci::Notify(uint16_t index) {
  if (notify_port_ == 0) return machine_.Write(NotifyAddress(index), 2, index);
  machine_.Out(static_cast<uint16_t>(notify_port_), 2, index);
}

uint64_t VirtioPci::NotifyAddress(uint16_t index) {
  const auto known = notify_.find(index);
  if (known != notify_.end()) return known->second;
  Select(index);
  return notify_[index] =
             Structure(kNotify) + Common(kQueueNotifyOff, 2) * uint64_t{notify_multiplier_};
}

bool VirtioPci::TakeIsr(uint8_t bit) {
  taken_ |= static_cast<uint8_t>(machine_.Read(Structure(kIsr), 1));  // reading clears
  const bool was = (taken_ & bit) != 0;
  taken_ &= static_cast<uint8_t>(~bit);
  return was;
}

bool VirtioPci::TakeConfigInterrupt() { return msix_ ? function_.TakeMessage(0) : TakeIsr(2); }

bool VirtioPci::TakeQueueInterrupt(uint16_t index) {
  return msix_ ? function_.TakeMessage(VectorOf(index)) : TakeIsr(1);
}

}  // namespace davit::qtest
