// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A small virtio driver (virtio 1.2): virtio-mmio and virtio-pci (modern) transports, split rings,
// one request at a time, by polling (a PCI device can wake the processor). Memory is the guest's
// own, mapped one to one below 4 GiB.

#pragma once

#include <cstdint>

#include "pci.h"

namespace probe {

constexpr uint32_t kMaxVirtioDevices = 16;
constexpr uint32_t kMaxVirtioQueues = 8;
constexpr uint32_t kVirtioRing = 8;  // descriptors of each ring: no device offers fewer

struct VirtioBuffer {
  const volatile void* data;
  uint32_t size;
  bool writable;
};

// Physical addresses are numbers here; 0: not there.
struct VirtioQueue {
  alignas(16) uint8_t descriptors[16 * kVirtioRing];
  alignas(2) volatile uint16_t available[2 + kVirtioRing + 1];
  alignas(4) volatile uint8_t used[4 + 8 * kVirtioRing + 2];
  uint16_t next_available, seen_used;
  uint64_t notify;  // address of the notification register (pci)
};

struct VirtioDevice {
  uint32_t id;  // virtio 1.2, 5
  bool pci;
  uint64_t base;  // mmio: the slot
  PciAddress address;
  uint64_t common, notify, config;  // pci: the structures
  uint32_t notify_multiplier;
  bool wakes;    // pci: its queues send messages
  bool working;  // DRIVER_OK was taken
  VirtioQueue queue[kMaxVirtioQueues];
};

extern uint32_t virtio_devices;
extern VirtioDevice virtio_device[kMaxVirtioDevices];

void FindVirtio();
VirtioDevice* FindVirtioDevice(uint32_t id);  // the first; null: none

uint64_t VirtioFeatures(VirtioDevice& device);  // what it offers
// Before StartVirtio(): over PCI the queues wake the processor, which else looks at each tick.
void WakeByVirtio(VirtioDevice& device);
// Steps of 3.1.1 with VERSION_1 and `features`, and `queues` rings. False: the device refused.
bool StartVirtio(VirtioDevice& device, uint64_t features, uint32_t queues);
uint32_t VirtioConfig32(VirtioDevice& device, uint32_t offset);
void SetVirtioConfig32(VirtioDevice& device, uint32_t offset, uint32_t value);

// Puts a chain in the ring and tells the device.
void SendVirtio(VirtioDevice& device, uint32_t queue, const VirtioBuffer* buffers, uint32_t count);
// True: a chain came back, `length` bytes were written.
bool TakeVirtio(VirtioDevice& device, uint32_t queue, uint32_t& length);
// SendVirtio, then waits. False: nothing came back for some seconds.
bool DoVirtio(VirtioDevice& device, uint32_t queue, const VirtioBuffer* buffers, uint32_t count,
              uint32_t& length);

}  // namespace probe
