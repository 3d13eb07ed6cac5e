// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "virtio.h"

#include "console.h"
#include "interrupts.h"
#include "io.h"

namespace probe {

uint32_t virtio_devices;
VirtioDevice virtio_device[kMaxVirtioDevices];

namespace {

constexpr uint64_t kSlots = 0xfeb00000;
constexpr uint32_t kSlotCount = 24;
constexpr uint64_t kSlotStride = 512;
constexpr uint32_t kMagic = 0x74726976;

// Registers of virtio-mmio (4.2.2).
constexpr uint64_t kMmioDeviceId = 0x08, kMmioFeatures = 0x10, kMmioFeaturesSelect = 0x14,
                   kMmioDriverFeatures = 0x20, kMmioDriverFeaturesSelect = 0x24,
                   kMmioQueueSelect = 0x30, kMmioQueueMax = 0x34, kMmioQueueSize = 0x38,
                   kMmioQueueReady = 0x44, kMmioNotify = 0x50, kMmioStatus = 0x70,
                   kMmioQueueDescriptors = 0x80, kMmioQueueDriver = 0x90, kMmioQueueDevice = 0xa0,
                   kMmioConfig = 0x100;

// The common structure of virtio-pci (4.1.4.3).
constexpr uint64_t kPciFeaturesSelect = 0x00, kPciFeatures = 0x04, kPciDriverFeaturesSelect = 0x08,
                   kPciDriverFeatures = 0x0c, kPciStatus = 0x14, kPciQueueSelect = 0x16,
                   kPciQueueSize = 0x18, kPciQueueVector = 0x1a, kPciQueueEnable = 0x1c,
                   kPciNotifyOffset = 0x1e, kPciQueueDescriptors = 0x20, kPciQueueDriver = 0x28,
                   kPciQueueDevice = 0x30;

constexpr uint8_t kAcknowledge = 1, kDriver = 2, kDriverOk = 4, kFeaturesOk = 8;
constexpr uint64_t kVersion1 = uint64_t{1} << 32;

constexpr uint16_t kNext = 1, kWrite = 2;
constexpr uint64_t kPatience = 45 * kTicksPerSecond;

uint8_t Status(VirtioDevice& device) {
  return device.pci ? Mmio<uint8_t>(device.common + kPciStatus)
                    : uint8_t(Mmio<uint32_t>(device.base + kMmioStatus));
}

void SetStatus(VirtioDevice& device, uint8_t status) {
  if (device.pci) {
    Mmio<uint8_t>(device.common + kPciStatus) = status;
  } else {
    Mmio<uint32_t>(device.base + kMmioStatus) = status;
  }
}

uint32_t FeaturesHalf(VirtioDevice& device, uint32_t half) {
  if (device.pci) {
    Mmio<uint32_t>(device.common + kPciFeaturesSelect) = half;
    return Mmio<uint32_t>(device.common + kPciFeatures);
  }
  Mmio<uint32_t>(device.base + kMmioFeaturesSelect) = half;
  return Mmio<uint32_t>(device.base + kMmioFeatures);
}

void SetFeatures(VirtioDevice& device, uint32_t half, uint32_t value) {
  if (device.pci) {
    Mmio<uint32_t>(device.common + kPciDriverFeaturesSelect) = half;
    Mmio<uint32_t>(device.common + kPciDriverFeatures) = value;
    return;
  }
  Mmio<uint32_t>(device.base + kMmioDriverFeaturesSelect) = half;
  Mmio<uint32_t>(device.base + kMmioDriverFeatures) = value;
}

void Write64(uint64_t address, uint64_t value) {
  Mmio<uint32_t>(address) = uint32_t(value);
  Mmio<uint32_t>(address + 4) = uint32_t(value >> 32);
}

uint64_t AddressOf(const volatile void* p) { return reinterpret_cast<uint64_t>(p); }

bool SetUpQueue(VirtioDevice& device, uint32_t index) {
  VirtioQueue& queue = device.queue[index];
  __builtin_memset(queue.descriptors, 0, sizeof queue.descriptors);
  for (volatile uint16_t& word : queue.available) word = 0;
  for (volatile uint8_t& byte : queue.used) byte = 0;
  queue.next_available = queue.seen_used = 0;
  if (device.pci) {
    const uint64_t common = device.common;
    Mmio<uint16_t>(common + kPciQueueSelect) = uint16_t(index);
    if (Mmio<uint16_t>(common + kPciQueueSize) < kVirtioRing) return false;
    Mmio<uint16_t>(common + kPciQueueSize) = kVirtioRing;
    Write64(common + kPciQueueDescriptors, AddressOf(queue.descriptors));
    Write64(common + kPciQueueDriver, AddressOf(queue.available));
    Write64(common + kPciQueueDevice, AddressOf(queue.used));
    queue.notify = device.notify +
                   uint64_t{Mmio<uint16_t>(common + kPciNotifyOffset)} * device.notify_multiplier;
    if (device.wakes) Mmio<uint16_t>(common + kPciQueueVector) = 0;
    Mmio<uint16_t>(common + kPciQueueEnable) = 1;
    return true;
  }
  const uint64_t base = device.base;
  Mmio<uint32_t>(base + kMmioQueueSelect) = index;
  if (Mmio<uint32_t>(base + kMmioQueueMax) < kVirtioRing) return false;
  Mmio<uint32_t>(base + kMmioQueueSize) = kVirtioRing;
  Write64(base + kMmioQueueDescriptors, AddressOf(queue.descriptors));
  Write64(base + kMmioQueueDriver, AddressOf(queue.available));
  Write64(base + kMmioQueueDevice, AddressOf(queue.used));
  Mmio<uint32_t>(base + kMmioQueueReady) = 1;
  return true;
}

// What was in its place before may have been another.
VirtioDevice* NewDevice() {
  if (virtio_devices == kMaxVirtioDevices) return nullptr;
  VirtioDevice& device = virtio_device[virtio_devices++];
  device.pci = device.wakes = device.working = false;
  device.common = device.notify = device.config = 0;
  return &device;
}

void FindSlots() {
  for (uint32_t i = 0; i < kSlotCount; ++i) {
    const uint64_t base = kSlots + i * kSlotStride;
    if (Mmio<uint32_t>(base) != kMagic || Mmio<uint32_t>(base + kMmioDeviceId) == 0) continue;
    VirtioDevice* const device = NewDevice();
    if (device == nullptr) return;
    device->id = Mmio<uint32_t>(base + kMmioDeviceId);
    device->base = base;
  }
}

// The structures that the vendor capabilities point to (4.1.4).
void ReadCapabilities(VirtioDevice& device) {
  const PciAddress at = device.address;
  for (uint32_t cap = PciRead8(at, 0x34) & ~3U, n = 0; cap != 0 && n < 48;
       cap = PciRead8(at, cap + 1) & ~3U, ++n) {
    if (PciRead8(at, cap) != 9) continue;
    const uint8_t type = PciRead8(at, cap + 3);
    if (type != 1 && type != 2 && type != 4) continue;
    const uint64_t bar = PciBar(at, PciRead8(at, cap + 4));
    if (bar == 0) continue;
    const uint64_t where = bar + PciRead32(at, cap + 8);
    if (type == 1) device.common = where;
    if (type == 4) device.config = where;
    if (type == 2) {
      device.notify = where;
      device.notify_multiplier = PciRead32(at, cap + 16);
    }
  }
  PciEnable(at);
}

void FindFunctions() {
  static PciBus bus;
  if (!ScanPci(bus)) return;
  for (uint32_t i = 0; i < bus.functions; ++i) {
    const uint32_t id = PciRead32(bus.function[i], 0);
    if ((id & 0xffff) != 0x1af4 || (id >> 16) < 0x1040 || (id >> 16) > 0x107f) continue;
    VirtioDevice* const device = NewDevice();
    if (device == nullptr) return;
    device->pci = true;
    device->id = (id >> 16) - 0x1040;
    device->address = bus.function[i];
    ReadCapabilities(*device);
    if (device->common == 0 || device->notify == 0) --virtio_devices;
  }
}

}  // namespace

void FindVirtio() {
  virtio_devices = 0;
  FindSlots();
  FindFunctions();
}

VirtioDevice* FindVirtioDevice(uint32_t id) {
  for (uint32_t i = 0; i < virtio_devices; ++i) {
    if (virtio_device[i].id == id) return &virtio_device[i];
  }
  return nullptr;
}

uint64_t VirtioFeatures(VirtioDevice& device) {
  return uint64_t{FeaturesHalf(device, 1)} << 32 | FeaturesHalf(device, 0);
}

void WakeByVirtio(VirtioDevice& device) {
  device.wakes = device.pci && PciSetMessage(device.address, MessageAddress(), kWakeVector);
}

bool StartVirtio(VirtioDevice& device, uint64_t features, uint32_t queues) {
  SetStatus(device, 0);
  for (uint64_t end = Ticks() + kPatience; Status(device) != 0;) {
    if (Ticks() > end) return false;
    LetInterruptsIn();
  }
  SetStatus(device, kAcknowledge | kDriver);
  const uint64_t wanted = (features | kVersion1) & VirtioFeatures(device);
  SetFeatures(device, 0, uint32_t(wanted));
  SetFeatures(device, 1, uint32_t(wanted >> 32));
  SetStatus(device, kAcknowledge | kDriver | kFeaturesOk);
  if ((Status(device) & kFeaturesOk) == 0) return false;
  for (uint32_t i = 0; i < queues; ++i) {
    if (!SetUpQueue(device, i)) return false;
  }
  SetStatus(device, kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
  device.working = Status(device) == (kAcknowledge | kDriver | kFeaturesOk | kDriverOk);
  return device.working;
}

uint32_t VirtioConfig32(VirtioDevice& device, uint32_t offset) {
  return Mmio<uint32_t>((device.pci ? device.config : device.base + kMmioConfig) + offset);
}

void SetVirtioConfig32(VirtioDevice& device, uint32_t offset, uint32_t value) {
  Mmio<uint32_t>((device.pci ? device.config : device.base + kMmioConfig) + offset) = value;
}

void SendVirtio(VirtioDevice& device, uint32_t index, const VirtioBuffer* buffers, uint32_t count) {
  VirtioQueue& queue = device.queue[index];
  // One chain at a time: it begins at descriptor 0.
  for (uint32_t i = 0; i < count; ++i) {
    uint8_t* const descriptor = queue.descriptors + 16 * i;
    const uint64_t address = AddressOf(buffers[i].data);
    const uint16_t flags =
        uint16_t((i + 1 < count ? kNext : 0) | (buffers[i].writable ? kWrite : 0));
    const uint16_t next = uint16_t(i + 1);
    __builtin_memcpy(descriptor, &address, 8);
    __builtin_memcpy(descriptor + 8, &buffers[i].size, 4);
    __builtin_memcpy(descriptor + 12, &flags, 2);
    __builtin_memcpy(descriptor + 14, &next, 2);
  }
  queue.available[2 + queue.next_available % kVirtioRing] = 0;
  asm volatile("mfence" : : : "memory");
  queue.available[1] = ++queue.next_available;
  asm volatile("mfence" : : : "memory");
  if (device.pci) {
    Mmio<uint16_t>(queue.notify) = uint16_t(index);
  } else {
    Mmio<uint32_t>(device.base + kMmioNotify) = index;
  }
}

bool TakeVirtio(VirtioDevice& device, uint32_t index, uint32_t& length) {
  VirtioQueue& queue = device.queue[index];
  const uint16_t used = *reinterpret_cast<volatile uint16_t*>(queue.used + 2);
  if (used == queue.seen_used) return false;
  asm volatile("" : : : "memory");
  const uint32_t at = 4 + 8 * (queue.seen_used % kVirtioRing);
  length = *reinterpret_cast<volatile uint32_t*>(queue.used + at + 4);
  ++queue.seen_used;
  return true;
}

bool DoVirtio(VirtioDevice& device, uint32_t queue, const VirtioBuffer* buffers, uint32_t count,
              uint32_t& length) {
  SendVirtio(device, queue, buffers, count);
  for (uint64_t end = Ticks() + kPatience; Ticks() <= end; LetInterruptsIn()) {
    if (TakeVirtio(device, queue, length)) return true;
  }
  return false;
}

}  // namespace probe
