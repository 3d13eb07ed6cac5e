// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The power management block of the ICH9 (data book 13.8.3; ACPI 6.4, 4.8.3 and 4.8.4): PM1 event
// and control registers, the PM timer at 3.579545 MHz, GPE0, SMI enable. 128 I/O ports that the LPC
// bridge places. The machine is in ACPI mode from reset on, as QEMU's without SMM; S5 powers off,
// S3 and S4 do not exist. SMIs are not raised. The TCO watchdog (ich9_tco.h) has the last quarter
// of the ports. Registers: any thread. Construction, destruction: control thread (the loop's).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "vmm/bus/bus.h"
#include "vmm/devices/ich9_tco.h"
#include "vmm/io/event_loop.h"
#include "vmm/io/timer.h"
#include "vmm/irq/irq_line.h"

namespace davit::devices {

struct Ich9PmState {
  uint16_t pm1_status = 0;
  uint16_t pm1_enable = 0;
  uint16_t pm1_control = 1;  // SCI_EN
  // Of the timer, when bit 23 changes next. In the past at reset: the overflow status is set, as in
  // QEMU.
  int64_t overflow_tick = 0;
  std::array<uint8_t, 8> gpe_status{};
  std::array<uint8_t, 8> gpe_enable{};
  uint32_t smi_enable = 0x20;
};

class Ich9Pm final : public bus::BusDevice {
 public:
  static constexpr uint64_t kPorts = 0x80;
  static constexpr uint64_t kTimerHz = 3579545;

  // Called on the vCPU thread, with no lock held: they must not wait for it.
  struct Callbacks {
    std::function<void()> power_off;
    std::function<void()> watchdog = {};  // it ran out; on the loop's thread
  };
  // sci: level; it and the loop outlive the device.
  Ich9Pm(irq::IrqLine& sci, io::EventLoop& loop, Callbacks callbacks);

  // The guest notices only when it has enabled the button, as in QEMU.
  void PressPowerButton();
  void RaiseGpe(unsigned bit);  // bit < 64
  // APM control port: the SMI handler's commands that switch ACPI mode.
  void EnableAcpi(bool on);
  void Reset();
  // The guest's time stands still or goes on; it goes on at first. Control thread.
  void Run(bool running);
  Ich9PmState state() const;
  Ich9Tco& tco() { return tco_; }

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  // mutex_ held.
  int64_t Ticks() const;
  uint16_t Status() const;  // with the timer's overflow
  uint8_t ReadByte(uint64_t offset, int64_t ticks) const;
  void WriteByte(uint64_t offset, uint8_t value);
  bool WriteControl(uint16_t value);  // true: power off
  void UpdateSci();

  irq::IrqLine& sci_;
  io::EventLoop& loop_;
  const Callbacks callbacks_;
  mutable std::mutex mutex_;  // guards what follows
  io::Clock::time_point start_;
  std::optional<io::Clock::time_point> held_;  // since when time stands still
  Ich9PmState s_;
  io::Timer timer_;
  Ich9Tco tco_;  // has a lock of its own, taken after mutex_
};

}  // namespace davit::devices
