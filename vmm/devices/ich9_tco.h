// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The TCO watchdog of the ICH9 (data book 13.9): 32 ports of the PM block, registers of 16 bits at
// even offsets. A timer of 0.6 s a tick: its first expiry sets a status bit and starts it again,
// the second one is the watchdog's, unless NO_REBOOT (a bit of the chipset's general control, or
// the strap that a board has) forbids it. SMIs are not raised. Registers: any thread.
// Construction, destruction, Run(): control thread (the loop's).
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>

#include "vmm/io/event_loop.h"
#include "vmm/io/timer.h"

namespace davit::devices {

class Ich9Tco {
 public:
  static constexpr uint64_t kPorts = 0x20;
  static constexpr io::Clock::duration kTick = std::chrono::milliseconds(600);

  // expired: on the loop's thread, no lock held. The loop outlives this.
  Ich9Tco(io::EventLoop& loop, std::function<void()> expired);
  Ich9Tco(const Ich9Tco&) = delete;
  Ich9Tco& operator=(const Ich9Tco&) = delete;

  // The board's strap; set (as in QEMU 7.2) unless this says otherwise. Before the guest runs.
  void Strap(bool no_reboot);
  // The bit of the general control register. Any thread.
  void SetNoReboot(bool no_reboot);
  // The guest has locked the timer: the PM block then keeps its TCO_EN.
  bool locked() const;
  // That it ran out twice stays to be read (13.9.6: the resume well).
  void Reset();
  // The guest's time stands still or goes on; it goes on at first.
  void Run(bool running);

  // offset + data.size() <= kPorts, data of 1 to 4 bytes.
  void Read(uint64_t offset, std::span<uint8_t> data);
  void Write(uint64_t offset, std::span<const uint8_t> data);

 private:
  struct Registers {
    uint16_t reload = 0;
    uint8_t data_in = 0, data_out = 0;
    uint16_t status1 = 0, status2 = 0;
    uint16_t control1 = 0, control2 = 0x0008;
    uint8_t message1 = 0, message2 = 0;
    uint8_t boot_status = 0;
    uint8_t software_irq = 0x03;
    uint16_t initial = 0x0004;  // TCO_TMR
  };
  // mutex_ held.
  uint16_t ReadRegister(uint64_t offset) const;
  void WriteRegister(uint64_t offset, uint16_t value);
  bool CanCount() const;
  void Start();
  void Stop();
  void UpdateTimer();

  void Expired();

  io::EventLoop& loop_;
  const std::function<void()> expired_;
  mutable std::mutex mutex_;  // guards what follows
  bool strap_ = true;
  bool no_reboot_ = true;
  Registers r_;
  unsigned expiries_ = 0;  // since the guest last asked for a new start
  // When the timer runs out, moved on by as long as time stood still; nullopt: it stands.
  std::optional<io::Clock::time_point> deadline_;
  std::optional<io::Clock::time_point> held_;  // since when time stands still
  io::Timer timer_;
};

}  // namespace davit::devices
