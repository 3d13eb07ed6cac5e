// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See transports.h: virtio-mmio (virtio 1.2, 4.2.2).
#include <utility>

#include "tests/support/virtio/transports.h"

namespace davit::qtest {
namespace {

constexpr uint64_t kFirstSlot = 0xfeb00000, kStride = 512;
constexpr int kSlots = 24;
constexpr uint32_t kMagic = 0x74726976;

enum Offset : uint32_t {
  kMagicValue = 0x000,
  kDeviceId = 0x008,
  kDeviceFeatures = 0x010,
  kDeviceFeaturesSel = 0x014,
  kDriverFeatures = 0x020,
  kDriverFeaturesSel = 0x024,
  kQueueSel = 0x030,
  kQueueNumMax = 0x034,
  kQueueNum = 0x038,
  kQueueReady = 0x044,
  kQueueNotify = 0x050,
  kInterruptStatus = 0x060,
  kInterruptAck = 0x064,
  kStatus = 0x070,
  kQueueDesc = 0x080,
  kQueueDriver = 0x090,
  kQueueDevice = 0x0a0,
  kQueueReset = 0x0c0,
  kConfigGeneration = 0x0fc,
  kConfig = 0x100,
};

}  // namespace

std::vector<uint64_t> MmioSlotsOf(Machine& machine, uint16_t id) {
  std::vector<uint64_t> bases;
  for (int slot = 0; slot < kSlots; ++slot) {
    const uint64_t base = kFirstSlot + kStride * static_cast<uint64_t>(slot);
    if (machine.Read32(base + kMagicValue) == kMagic && machine.Read32(base + kDeviceId) == id) {
      bases.push_back(base);
    }
  }
  return bases;
}

uint64_t VirtioMmio::OfferedFeatures() {
  SetRegister(kDeviceFeaturesSel, 0);
  const uint64_t low = Register(kDeviceFeatures);
  SetRegister(kDeviceFeaturesSel, 1);
  return low | uint64_t{Register(kDeviceFeatures)} << 32;
}

void VirtioMmio::AcceptFeatures(uint64_t features) {
  SetRegister(kDriverFeaturesSel, 0);
  SetRegister(kDriverFeatures, static_cast<uint32_t>(features));
  SetRegister(kDriverFeaturesSel, 1);
  SetRegister(kDriverFeatures, static_cast<uint32_t>(features >> 32));
}

uint8_t VirtioMmio::Status() { return static_cast<uint8_t>(Register(kStatus)); }
void VirtioMmio::SetStatus(uint8_t status) { SetRegister(kStatus, status); }
uint8_t VirtioMmio::Generation() { return static_cast<uint8_t>(Register(kConfigGeneration)); }

uint64_t VirtioMmio::ReadConfig(uint32_t offset, unsigned size) {
  const uint64_t at = base_ + kConfig + offset;
  if (size <= 4) return machine_.Read(at, size);
  return machine_.Read(at, 4) | machine_.Read(at + 4, 4) << 32;
}

void VirtioMmio::WriteConfig(uint32_t offset, unsigned size, uint64_t value) {
  machine_.Write(base_ + kConfig + offset, size, value);
}

uint16_t VirtioMmio::QueueMax(uint16_t index) {
  SetRegister(kQueueSel, index);
  return static_cast<uint16_t>(Register(kQueueNumMax));
}

void VirtioMmio::EnableQueue(uint16_t index, const Ring& ring) {
  SetRegister(kQueueSel, index);
  SetRegister(kQueueNum, ring.size());
  const std::pair<uint32_t, uint64_t> areas[] = {
      {kQueueDesc, ring.desc()}, {kQueueDriver, ring.driver()}, {kQueueDevice, ring.device()}};
  for (const auto& [offset, address] : areas) {
    SetRegister(offset, static_cast<uint32_t>(address));
    SetRegister(offset + 4, static_cast<uint32_t>(address >> 32));
  }
  SetRegister(kQueueReady, 1);
}

bool VirtioMmio::QueueReady(uint16_t index) {
  SetRegister(kQueueSel, index);
  return Register(kQueueReady) == 1;
}

void VirtioMmio::ResetQueue(uint16_t index) {
  SetRegister(kQueueSel, index);
  SetRegister(kQueueReset, 1);
  if (!machine_.WaitFor([this] { return Register(kQueueReset) == 0; })) {
    machine_.Die("the queue does not reset");
  }
}

void VirtioMmio::Notify(uint16_t index) { SetRegister(kQueueNotify, index); }

bool VirtioMmio::TakeStatus(uint32_t bit) {
  const uint32_t status = Register(kInterruptStatus);
  if (status != 0) SetRegister(kInterruptAck, status);
  taken_ |= status;
  const bool was = (taken_ & bit) != 0;
  taken_ &= ~bit;
  return was;
}

}  // namespace davit::qtest
