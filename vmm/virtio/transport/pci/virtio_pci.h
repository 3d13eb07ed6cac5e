// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio over PCI (virtio 1.2, 4.1), non-transitional: a Function whose BAR 4 holds the register
// blocks (common, ISR, device, notify), BAR 1 the MSI-X table and, where it is wanted, BAR 2 a port
// for kicks, laid out as QEMU 7.2's; blocks and port are also reachable through the pci-cfg
// capability. Kicks come through doorbells where the host has them, else as writes.
//
// Threads: as pci::Function; registers in BAR 4 are called on vCPU threads without the host lock.
// Lock order: host, doorbells, device (Frontend), interrupts.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/bus/doorbell.h"
#include "vmm/pci/function.h"
#include "vmm/pci/msix.h"
#include "vmm/virtio/core/frontend.h"
#include "vmm/virtio/core/interrupts.h"

namespace davit::virtio {

struct VirtioPciConfig {
  pci::FunctionOptions function;    // driver "virtio-rng-pci", id, multifunction
  std::optional<uint32_t> vectors;  // vectors=; unset: as many as QEMU gives that device
  bool ioeventfd = true;
  bool port_notify = false;  // a notify port (BAR 2) beside the registers
};

class VirtioPci final : public pci::Function, public DeviceInterrupts {
 public:
  // Whether a device has a notify port unless told otherwise. On the root bus alone: each bridge
  // takes 4 KiB of the 64 KiB of ports there are. Not a network card: a cheaper kick comes more
  // often, and its streams lose by smaller batches what a single request gains
  // (docs/benchmarks.md).
  static bool PortByDefault(const DeviceTraits& traits, const pci::Bus& bus);

  // Frontend and doorbells outlive it. Attach it to a bus, once, to bring it to the guest; detach
  // before it dies.
  VirtioPci(const VirtioPciConfig& config, Frontend& frontend, bus::DoorbellHost& doorbells);
  ~VirtioPci() override;

  Frontend& frontend() { return frontend_; }
  // Of MSI-X; 0: it has none.
  uint16_t vectors() const { return msix_ != nullptr ? msix_->vectors() : 0; }

  // DeviceInterrupts: any thread.
  void RaiseQueue(uint16_t queue) override;
  void RaiseConfig() override;

 protected:
  Status Realize(pci::Bus& bus) override;
  void OnConfigRead(uint32_t offset, uint32_t size) override;
  void OnConfigWritten(uint32_t offset, uint32_t size) override;
  void OnBarMapped(int index, std::optional<uint64_t> base) override;
  void OnBusMaster(bool enabled) override;
  void OnReset() override;
  void OnFunctionLevelReset() override;

 private:
  class Registers final : public bus::BusDevice {  // BAR 4
   public:
    explicit Registers(VirtioPci& owner) : owner_(owner) {}
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    VirtioPci& owner_;
  };
  class NotifyPort final : public bus::BusDevice {  // BAR 2: the index of a queue is written
   public:
    explicit NotifyPort(VirtioPci& owner) : owner_(owner) {}
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    VirtioPci& owner_;
  };
  // Where a queue's kicks become signals: its word of BAR 4, its value at the port.
  struct Bells {
    std::optional<bus::Doorbell> word, port;
    bool operator==(const Bells&) const = default;
  };

  uint32_t ReadCommon(uint32_t offset);
  void WriteCommon(uint32_t offset, uint32_t value);
  uint32_t ReadQueue(uint32_t offset, uint16_t select);
  void WriteQueue(uint32_t offset, uint16_t select, uint32_t value);
  uint16_t UsableVector(uint32_t value) const;  // or none, 0xffff
  uint8_t ReadIsr();
  void Raise(uint16_t vector, uint8_t isr);  // isr_mutex_ held
  void ResetRegisters();
  // The window of the pci-cfg capability; host lock.
  void ConfigWindow(bool write);
  void Kick(uint16_t queue);
  void UpdateDoorbells();  // takes doorbell_mutex_
  void Rebind(std::optional<bus::Doorbell>& bound, const std::optional<bus::Doorbell>& wanted,
              int fd);  // doorbell_mutex_ held

  const VirtioPciConfig config_;
  Frontend& frontend_;
  bus::DoorbellHost& doorbells_;
  Registers registers_{*this};
  NotifyPort notify_port_{*this};
  std::unique_ptr<pci::Msix> msix_;
  uint32_t window_ = 0;  // offset of the pci-cfg capability

  std::mutex select_mutex_;  // the selectors and vectors below
  uint32_t device_feature_select_ = 0, driver_feature_select_ = 0;
  uint16_t queue_select_ = 0;

  std::mutex isr_mutex_;  // taken with the device's lock held
  uint16_t config_vector_;
  std::vector<uint16_t> queue_vectors_;
  uint8_t isr_ = 0;

  std::mutex doorbell_mutex_;
  std::optional<uint64_t> registers_base_, port_base_;
  std::vector<Bells> bound_;  // by queue
};

}  // namespace davit::virtio
