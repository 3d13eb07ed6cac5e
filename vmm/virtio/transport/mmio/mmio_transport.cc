// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See mmio_transport.h. Register names are those of virtio 1.2, table 4.1.
#include "vmm/virtio/transport/mmio/mmio_transport.h"

#include <algorithm>

#include "vmm/base/check.h"
#include "vmm/base/endian.h"
#include "vmm/base/log.h"
#include "vmm/virtio/core/features.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kMagicValue = 0x000;
constexpr uint64_t kVersion = 0x004;
constexpr uint64_t kDeviceId = 0x008;
constexpr uint64_t kVendorId = 0x00c;
constexpr uint64_t kDeviceFeatures = 0x010;
constexpr uint64_t kDeviceFeaturesSel = 0x014;
constexpr uint64_t kDriverFeatures = 0x020;
constexpr uint64_t kDriverFeaturesSel = 0x024;
constexpr uint64_t kQueueSel = 0x030;
constexpr uint64_t kQueueNumMax = 0x034;
constexpr uint64_t kQueueNum = 0x038;
constexpr uint64_t kQueueReady = 0x044;
constexpr uint64_t kQueueNotify = 0x050;
constexpr uint64_t kInterruptStatus = 0x060;
constexpr uint64_t kInterruptAck = 0x064;
constexpr uint64_t kStatus = 0x070;
constexpr uint64_t kQueueDescLow = 0x080;
constexpr uint64_t kQueueDescHigh = 0x084;
constexpr uint64_t kQueueDriverLow = 0x090;
constexpr uint64_t kQueueDriverHigh = 0x094;
constexpr uint64_t kQueueDeviceLow = 0x0a0;
constexpr uint64_t kQueueDeviceHigh = 0x0a4;
constexpr uint64_t kShmLenLow = 0x0b0;
constexpr uint64_t kShmLenHigh = 0x0b4;
constexpr uint64_t kShmBaseLow = 0x0b8;
constexpr uint64_t kShmBaseHigh = 0x0bc;
constexpr uint64_t kQueueReset = 0x0c0;
constexpr uint64_t kConfigGeneration = 0x0fc;
constexpr uint64_t kConfig = 0x100;

constexpr uint32_t kMagic = 0x74726976;   // "virt"
constexpr uint32_t kVendor = 0x554d4551;  // "QEMU"
constexpr uint32_t kMaxQueues = 1024;     // selectors beyond are ignored
constexpr uint32_t kUsedBuffer = 1;       // interrupt status
constexpr uint32_t kConfigChange = 2;

memory::GuestAddress WithLow(memory::GuestAddress address, uint32_t low) {
  return {(address.value & ~uint64_t{UINT32_MAX}) | low};
}
memory::GuestAddress WithHigh(memory::GuestAddress address, uint32_t high) {
  return {(address.value & UINT32_MAX) | uint64_t{high} << 32};
}

}  // namespace

MmioTransport::MmioTransport(uint64_t base, irq::IrqLine& line) : base_(base), line_(line) {}

MmioTransport::~MmioTransport() {
  if (frontend_ == nullptr) return;
  for (size_t i = 0; i < bound_.size(); ++i) {
    if (bound_[i] < 0) continue;
    doorbells_->Unbind({.address = base_ + kQueueNotify, .size = 4, .value = i}, bound_[i]);
  }
  frontend_->SetInterrupts(nullptr);
}

void MmioTransport::Plug(Frontend& frontend, bus::DoorbellHost* doorbells) {
  DAVIT_CHECK(empty());
  frontend_ = &frontend;
  doorbells_ = doorbells;
  frontend.SetInterrupts(this);
  for (uint16_t i = 0; doorbells != nullptr && i < frontend.queue_count(); ++i) {
    bound_.push_back(-1);
    const Result<int> fd = frontend.KickFd(i);
    if (fd && doorbells->Bind({.address = base_ + kQueueNotify, .size = 4, .value = i}, *fd)) {
      bound_.back() = *fd;
    }
  }
}

void MmioTransport::Reset() {
  {
    const std::lock_guard lock(mutex_);
    selected_ = {};
  }
  ClearBits(UINT32_MAX);
}

void MmioTransport::Read(uint64_t offset, std::span<uint8_t> data) {
  if (offset >= kConfig) {
    ReadConfig(offset - kConfig, data);
  } else if (data.size() == 8) {
    Read(offset, data.first(4));
    Read(offset + 4, data.last(4));
  } else if (data.size() == 4 && offset % 4 == 0) {
    StoreLe(data.data(), 4, ReadRegister(offset));
  } else {
    std::fill(data.begin(), data.end(), 0);
  }
}

void MmioTransport::Write(uint64_t offset, std::span<const uint8_t> data) {
  if (frontend_ == nullptr) return;
  if (offset >= kConfig) {
    const uint64_t at = offset - kConfig;
    if (at + data.size() > frontend_->traits().config_size) return;
    frontend_->WriteConfig(static_cast<uint32_t>(at), data);
  } else if (data.size() == 8) {
    Write(offset, data.first(4));
    Write(offset + 4, data.last(4));
  } else if (data.size() == 4 && offset % 4 == 0) {
    WriteRegister(offset, static_cast<uint32_t>(LoadLe(data.data(), 4)));
  }
}

// An access that is not inside the configuration space as a whole gives all ones.
void MmioTransport::ReadConfig(uint64_t offset, std::span<uint8_t> data) {
  if (frontend_ == nullptr) {
    std::fill(data.begin(), data.end(), 0);
  } else if (offset + data.size() > frontend_->traits().config_size) {
    std::fill(data.begin(), data.end(), 0xff);
  } else {
    frontend_->ReadConfig(static_cast<uint32_t>(offset), data);
  }
}

MmioTransport::Selected MmioTransport::selected() {
  const std::lock_guard lock(mutex_);
  return selected_;
}

uint32_t MmioTransport::ReadRegister(uint64_t offset) {
  switch (offset) {
    case kMagicValue:
      return kMagic;
    case kVersion:
      return 2;
    case kVendorId:
      return kVendor;
    default:
      break;
  }
  if (frontend_ == nullptr) return 0;
  const auto queue = static_cast<uint16_t>(selected().queue);
  switch (offset) {
    case kDeviceId:
      return frontend_->traits().id;
    case kDeviceFeatures:
      return static_cast<uint32_t>(frontend_->offered_features() >>
                                   (32 * selected().device_features));
    case kQueueNumMax:
      return frontend_->queue(queue).max_size;
    case kQueueReady:
      return frontend_->queue(queue).ready;
    case kInterruptStatus: {
      const std::lock_guard lock(mutex_);
      return interrupt_status_;
    }
    case kStatus:
      return frontend_->status();
    case kQueueReset:
      return frontend_->queue_resetting(queue);
    case kConfigGeneration:
      return frontend_->config_generation();
    case kShmLenLow:
    case kShmLenHigh:
    case kShmBaseLow:
    case kShmBaseHigh:
      return UINT32_MAX;  // no shared memory regions
    default:
      return 0;
  }
}

void MmioTransport::WriteRegister(uint64_t offset, uint32_t value) {
  const auto queue = static_cast<uint16_t>(selected().queue);
  switch (offset) {
    case kDeviceFeaturesSel: {
      const std::lock_guard lock(mutex_);
      selected_.device_features = value != 0;
      return;
    }
    case kDriverFeatures:
      return frontend_->SetDriverFeatures(selected().driver_features, value);
    case kDriverFeaturesSel: {
      const std::lock_guard lock(mutex_);
      selected_.driver_features = value != 0;
      return;
    }
    case kQueueSel: {
      const std::lock_guard lock(mutex_);
      if (value < kMaxQueues) selected_.queue = value;
      return;
    }
    case kQueueNum:
      frontend_->ConfigureQueue(queue, [value](QueueConfig& config) {
        config.size = static_cast<uint16_t>(std::min<uint32_t>(value, UINT16_MAX));
      });
      return;
    case kQueueReady:
      return frontend_->SetQueueReady(queue, value != 0);
    case kQueueNotify:
      if (value < kMaxQueues) frontend_->Kick(static_cast<uint16_t>(value));
      return;
    case kInterruptAck:
      return ClearBits(value);
    case kStatus:
      return SetStatus(value);
    case kQueueReset:
      if (value == 1) frontend_->ResetQueue(queue);
      return;
    default:
      return WriteQueueAddress(offset, value);
  }
}

void MmioTransport::WriteQueueAddress(uint64_t offset, uint32_t value) {
  const auto queue = static_cast<uint16_t>(selected().queue);
  frontend_->ConfigureQueue(queue, [offset, value](QueueConfig& config) {
    switch (offset) {
      case kQueueDescLow:
        config.descriptors = WithLow(config.descriptors, value);
        return;
      case kQueueDescHigh:
        config.descriptors = WithHigh(config.descriptors, value);
        return;
      case kQueueDriverLow:
        config.driver = WithLow(config.driver, value);
        return;
      case kQueueDriverHigh:
        config.driver = WithHigh(config.driver, value);
        return;
      case kQueueDeviceLow:
        config.device = WithLow(config.device, value);
        return;
      case kQueueDeviceHigh:
        config.device = WithHigh(config.device, value);
        return;
      default:
        return;
    }
  });
}

void MmioTransport::SetStatus(uint32_t value) {
  const auto status = static_cast<uint8_t>(value);
  frontend_->SetStatus(status);
  if (status == 0) Reset();
}

void MmioTransport::RaiseQueue(uint16_t) { RaiseBits(kUsedBuffer); }

// Drivers that know one handler for both look at the first bit only: QEMU sets it too.
void MmioTransport::RaiseConfig() { RaiseBits(kUsedBuffer | kConfigChange); }

void MmioTransport::RaiseBits(uint32_t bits) {
  const std::lock_guard lock(mutex_);
  const bool was = interrupt_status_ != 0;
  interrupt_status_ |= bits;
  if (!was) line_.Set(true);
}

void MmioTransport::ClearBits(uint32_t bits) {
  const std::lock_guard lock(mutex_);
  const bool was = interrupt_status_ != 0;
  interrupt_status_ &= ~bits;
  if (was && interrupt_status_ == 0) line_.Set(false);
}

}  // namespace davit::virtio
