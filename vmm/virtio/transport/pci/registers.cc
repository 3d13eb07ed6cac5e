// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The registers of a virtio PCI device in BAR 4 (virtio 1.2, 4.1.4.3 to 4.1.4.6). vCPU threads.
#include <algorithm>
#include <array>

#include "vmm/base/endian.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/transport/pci/layout.h"
#include "vmm/virtio/transport/pci/virtio_pci.h"

namespace davit::virtio {
namespace {

uint32_t Half(uint64_t value, bool high) {
  return static_cast<uint32_t>(high ? value >> 32 : value);
}

void SetHalf(memory::GuestAddress& address, bool high, uint32_t value) {
  const uint64_t other = address.value & (high ? 0xffffffffu : uint64_t{0xffffffff} << 32);
  address.value = other | (high ? uint64_t{value} << 32 : value);
}

// The address of the queue that a 32-bit register is half of; null: it is none.
memory::GuestAddress QueueConfig::*AddressAt(uint32_t offset) {
  switch (offset & ~7u) {
    case kQueueDesc:
      return &QueueConfig::descriptors;
    case kQueueDriver:
      return &QueueConfig::driver;
    case kQueueDevice:
      return &QueueConfig::device;
    default:
      return nullptr;
  }
}

}  // namespace

uint32_t VirtioPci::ReadQueue(uint32_t offset, uint16_t select) {
  const QueueConfig queue = frontend_.queue(select);
  if (queue.max_size == 0) {  // no such queue
    if (offset == kQueueNotifyOff) return select;
    return offset == kQueueMsixVector ? kNoVector : 0;
  }
  switch (offset) {
    case kQueueSize:
      return queue.size;
    case kQueueMsixVector: {
      const std::lock_guard lock(isr_mutex_);
      return queue_vectors_[select];
    }
    case kQueueEnable:
      return queue.ready;
    case kQueueNotifyOff:
    case kQueueNotifyData:
      return select;
    case kQueueReset:
      return frontend_.queue_resetting(select);
    default:
      if (const auto member = AddressAt(offset); member && offset % 4 == 0) {
        return Half((queue.*member).value, offset & 4);
      }
      return 0;
  }
}

uint32_t VirtioPci::ReadCommon(uint32_t offset) {
  uint32_t device_select, driver_select;
  uint16_t queue;
  {
    const std::lock_guard lock(select_mutex_);
    device_select = device_feature_select_;
    driver_select = driver_feature_select_;
    queue = queue_select_;
  }
  switch (offset) {
    case kDeviceFeatureSelect:
      return device_select;
    case kDeviceFeature:
      return device_select > 1 ? 0 : Half(frontend_.offered_features(), device_select == 1);
    case kDriverFeatureSelect:
      return driver_select;
    case kDriverFeature:
      return driver_select > 1 ? 0 : Half(frontend_.driver_features(), driver_select == 1);
    case kConfigMsixVector: {
      const std::lock_guard lock(isr_mutex_);
      return config_vector_;
    }
    case kNumQueues:
      return frontend_.queue_count();
    case kDeviceStatus:
      return frontend_.status();
    case kConfigGeneration:
      return frontend_.config_generation();
    case kQueueSelect:
      return queue;
    default:
      return ReadQueue(offset, queue);
  }
}

void VirtioPci::WriteQueue(uint32_t offset, uint16_t select, uint32_t value) {
  if (select >= frontend_.queue_count()) return;
  switch (offset) {
    case kQueueSize:
      frontend_.ConfigureQueue(
          select, [value](QueueConfig& queue) { queue.size = static_cast<uint16_t>(value); });
      return;
    case kQueueMsixVector: {
      const std::lock_guard lock(isr_mutex_);
      queue_vectors_[select] = UsableVector(value);
      return;
    }
    case kQueueEnable:
      // 0 is not for drivers to write (4.1.4.3.2).
      if (value == 1) frontend_.SetQueueReady(select, true);
      return UpdateDoorbells();
    case kQueueReset:
      if (value == 1) frontend_.ResetQueue(select);
      return UpdateDoorbells();
    default:
      if (const auto member = AddressAt(offset); member && offset % 4 == 0) {
        frontend_.ConfigureQueue(
            select, [&](QueueConfig& queue) { SetHalf(queue.*member, offset & 4, value); });
      }
  }
}

void VirtioPci::WriteCommon(uint32_t offset, uint32_t value) {
  uint32_t driver_select;
  uint16_t queue;
  {
    const std::lock_guard lock(select_mutex_);
    if (offset == kDeviceFeatureSelect) device_feature_select_ = value;
    if (offset == kDriverFeatureSelect) driver_feature_select_ = value;
    if (offset == kQueueSelect && (value & 0xffff) < kMaxQueues) {
      queue_select_ = static_cast<uint16_t>(value);
    }
    driver_select = driver_feature_select_;
    queue = queue_select_;
  }
  switch (offset) {
    case kDriverFeature:
      return frontend_.SetDriverFeatures(driver_select, value);
    case kConfigMsixVector: {
      const std::lock_guard lock(isr_mutex_);
      config_vector_ = UsableVector(value);
      return;
    }
    case kDeviceStatus:
      frontend_.SetStatus(static_cast<uint8_t>(value));
      if ((value & 0xff) == 0) ResetRegisters();
      return UpdateDoorbells();
    default:
      return WriteQueue(offset, queue, value);
  }
}

uint16_t VirtioPci::UsableVector(uint32_t value) const {
  return msix_ && value < msix_->vectors() ? static_cast<uint16_t>(value) : kNoVector;
}

void VirtioPci::Registers::Read(uint64_t offset, std::span<uint8_t> data) {
  if (data.size() == 8 && offset < kIsrOffset) {  // two registers of 32 bits
    Read(offset, data.first(4));
    return Read(offset + 4, data.last(4));
  }
  const auto at = static_cast<uint32_t>(offset % kBlockSize);
  switch (offset - at) {
    case kCommonOffset:
      return StoreLe(data.data(), data.size(), owner_.ReadCommon(at));
    case kDeviceOffset:
      if (at + data.size() <= owner_.frontend_.traits().config_size) {
        return owner_.frontend_.ReadConfig(at, data);
      }
      std::fill(data.begin(), data.end(), 0xff);  // as QEMU does
      return;
    default:
      std::fill(data.begin(), data.end(), 0);
      if (offset == kIsrOffset) data[0] = owner_.ReadIsr();
  }
}

void VirtioPci::Registers::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (data.size() == 8 && offset < kIsrOffset) {
    Write(offset, data.first(4));
    return Write(offset + 4, data.last(4));
  }
  const auto at = static_cast<uint32_t>(offset % kBlockSize);
  switch (offset - at) {
    case kCommonOffset:
      return owner_.WriteCommon(at, static_cast<uint32_t>(LoadLe(data.data(), data.size())));
    case kDeviceOffset:
      return owner_.frontend_.WriteConfig(at, data);
    case kNotifyOffset:
      return owner_.Kick(static_cast<uint16_t>(at / kNotifyMultiplier));
    default:
      return;
  }
}

void VirtioPci::NotifyPort::Read(uint64_t offset, std::span<uint8_t> data) {
  (void)offset;
  std::fill(data.begin(), data.end(), 0);
}

void VirtioPci::NotifyPort::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (offset == 0) owner_.Kick(static_cast<uint16_t>(LoadLe(data.data(), data.size())));
}

}  // namespace davit::virtio
