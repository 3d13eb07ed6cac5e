// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// i6300esb (8086:25ab): the watchdog of Intel's 6300ESB I/O controller hub (its data sheet, chapter
// on the watchdog timer). Two timers in a row, each of a preload value in ticks of 2^15 (or 2^5)
// periods of 33 MHz; the guest starts over by an unlock sequence and a reload bit. When the second
// runs out and its output is not switched off, `expired` is called, the device goes back to its
// state at power-on and remembers that it has run out, also over a reset of the machine. The
// interrupt of the first stage is not wired, as in QEMU.
//
// Threads: registers on vCPU threads, timer and `expired` on the loop's (the control thread), under
// no lock. While the VM stands still, so does the time here.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "vmm/io/event_loop.h"
#include "vmm/pci/function.h"

namespace davit::pci {

struct I6300esbConfig {
  FunctionOptions function{.driver = "i6300esb", .id = {}};
  std::function<void()> expired;
};

class I6300esb final : public Function, public bus::BusDevice {
 public:
  // Control thread, which is the loop's.
  I6300esb(I6300esbConfig config, io::EventLoop& loop);
  ~I6300esb() override;

  // BAR 0.
  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

  void OnRunning(bool running);  // control thread

 protected:
  void OnConfigRead(uint32_t offset, uint32_t size) override;
  void OnConfigWritten(uint32_t offset, uint32_t size) override;
  void OnReset() override;

 private:
  enum class Unlock : uint8_t { kLocked, kHalf, kOpen };
  struct State {
    uint32_t preload[2] = {0xfffff, 0xfffff};
    uint16_t config = 0;
    uint8_t lock = 0;
    Unlock unlock = Unlock::kLocked;
    int stage = 0;                     // 0: the first timer runs
    io::Clock::duration left{};        // of the running one, while the VM stands still
    io::Clock::time_point deadline{};  // while it runs
  };

  // --- mutex held ---
  bool enabled() const;
  io::Clock::duration Period(int stage) const;
  void Start(int stage);
  void WriteReload(uint16_t value);
  void Arm();  // the loop will see to the deadline

  // --- loop ---
  void SetTimer();
  void TimerRan();

  const std::function<void()> expired_;
  io::EventLoop& loop_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // posted work checks it
  std::unique_ptr<io::Registration> timer_;
  io::Clock::time_point timer_at_{};

  std::mutex mutex_;  // guards what follows
  State state_;
  bool timed_out_ = false;
  bool running_ = true;
  bool posted_ = false;
};

}  // namespace davit::pci
