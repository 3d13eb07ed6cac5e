// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio over MMIO, version 2 (virtio 1.2, 4.2): a window of 512 bytes of registers over a
// Frontend, one level-triggered interrupt with its status register, a doorbell for each queue. What
// a driver can see and the specification leaves open is as in QEMU 7.2 (force-legacy=false). A
// window without a device answers with device id 0, which tells drivers so.
//
// Registers: any thread (vCPUs). The control thread makes it, claims the window on the bus, and
// resets it; the Frontend and the line outlive it. Lock order: the device's, then this one's.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "vmm/bus/bus.h"
#include "vmm/bus/doorbell.h"
#include "vmm/irq/irq_line.h"
#include "vmm/virtio/core/frontend.h"
#include "vmm/virtio/core/interrupts.h"

namespace davit::virtio {

class MmioTransport final : public bus::BusDevice, public DeviceInterrupts {
 public:
  static constexpr uint64_t kWindowSize = 0x200;

  // base: of the window in guest physical addresses.
  MmioTransport(uint64_t base, irq::IrqLine& line);
  ~MmioTransport() override;

  // Puts a device into the empty window, once, before vCPUs reach it. doorbells: null for none;
  // where they are refused the notify register serves alone.
  void Plug(Frontend& frontend, bus::DoorbellHost* doorbells);
  bool empty() const { return frontend_ == nullptr; }
  // Power-on state of these registers; after Frontend::Quiesce().
  void Reset();

  // --- bus::BusDevice ---
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

  // --- DeviceInterrupts ---
  void RaiseQueue(uint16_t queue) override;
  void RaiseConfig() override;

 private:
  struct Selected {
    uint32_t device_features = 0, driver_features = 0;  // half 0 or 1
    uint32_t queue = 0;
  };
  Selected selected();
  uint32_t ReadRegister(uint64_t offset);
  void WriteRegister(uint64_t offset, uint32_t value);
  void WriteQueueAddress(uint64_t offset, uint32_t value);
  void ReadConfig(uint64_t offset, std::span<uint8_t> data);
  void SetStatus(uint32_t value);
  void RaiseBits(uint32_t bits);
  void ClearBits(uint32_t bits);

  const uint64_t base_;
  irq::IrqLine& line_;
  Frontend* frontend_ = nullptr;
  bus::DoorbellHost* doorbells_ = nullptr;
  std::vector<int> bound_;  // eventfd by queue, -1: none

  std::mutex mutex_;  // guards what follows, and the order of line_'s changes
  Selected selected_;
  uint32_t interrupt_status_ = 0;
};

}  // namespace davit::virtio
