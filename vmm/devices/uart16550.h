// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A 16550A serial port (National PC16550D data sheet) at I/O ports base..base+7. The baud rate
// paces nothing but the receive time-out; a byte leaves as soon as the back end takes it, and while
// it takes none the transmitter stays busy, so a host end that does not read holds the guest's
// driver up and no vCPU. Registers: any thread. Construction, Connect(), destruction: control
// thread (the loop's).
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

#include "vmm/backend/char/chardev.h"
#include "vmm/bus/bus.h"
#include "vmm/io/event_loop.h"
#include "vmm/io/timer.h"
#include "vmm/irq/irq_line.h"

namespace davit::devices {

// Everything that a guest can see or has caused; a value.
struct UartState {
  static constexpr size_t kFifoSize = 16;
  // Bits of ReceivedByte::errors are those of LSR.
  struct ReceivedByte {
    uint8_t data = 0;
    uint8_t errors = 0;
  };

  uint8_t ier = 0;
  uint8_t fcr = 0;  // FIFO enable and trigger bits only
  uint8_t lcr = 0;
  uint8_t mcr = 0x08;        // OUT2, as firmware leaves it
  uint8_t msr_lines = 0xb0;  // DCD, DSR, CTS of the outer world
  uint8_t msr_deltas = 0;    // low half of MSR
  uint8_t scr = 0;
  uint16_t divisor = 12;  // 9600 baud
  bool overrun = false;
  bool thr_empty_pending = false;  // interrupt "transmitter holding register empty"
  bool timeout_pending = false;    // interrupt "character time-out"

  std::array<ReceivedByte, kFifoSize> rx{};
  size_t rx_head = 0, rx_count = 0;
  std::array<uint8_t, kFifoSize> tx{};
  size_t tx_head = 0, tx_count = 0;
};

class Uart16550 final : public bus::BusDevice, private backend::ChardevClient {
 public:
  static constexpr uint64_t kPorts = 8;

  // The line and the loop outlive the port.
  Uart16550(irq::IrqLine& irq, io::EventLoop& loop);
  ~Uart16550() override;

  // The back end, which outlives the port; once. None: what is sent is lost. Error: it is in use.
  Status Connect(backend::Chardev* chardev);
  void Reset();
  UartState state() const;

  void Read(uint64_t offset, std::span<uint8_t> data) override;
  void Write(uint64_t offset, std::span<const uint8_t> data) override;

 private:
  // backend::ChardevClient, control thread.
  size_t CanReceive() override;
  void Receive(std::span<const std::byte> data) override;
  void OnEvent(backend::ChardevEvent event) override;

  // All below: mutex_ held.
  uint8_t ReadRegister(uint64_t offset);
  void WriteRegister(uint64_t offset, uint8_t value);
  uint8_t ReadReceiver();
  uint8_t ReadIir();
  uint8_t ReadLsr();
  uint8_t ReadMsr();
  uint8_t Iir() const;
  uint8_t Lsr() const;
  uint8_t Msr() const;
  void WriteTransmitter(uint8_t value);
  void WriteIer(uint8_t value);
  void WriteFcr(uint8_t value);
  void WriteMcr(uint8_t value);
  void DrainTransmitter();
  void PushReceived(UartState::ReceivedByte byte);
  void UpdateIrq();
  void StartTimeout();
  bool fifo_on() const { return s_.fcr & 1; }
  bool loopback() const { return s_.mcr & 0x10; }
  size_t rx_capacity() const { return fifo_on() ? UartState::kFifoSize : 1; }
  size_t rx_trigger() const;
  io::Clock::duration CharacterTime() const;

  void OnTimeout();   // control thread
  void OnWritable();  // control thread

  irq::IrqLine& irq_;
  io::EventLoop& loop_;
  backend::Chardev* chardev_ = nullptr;

  mutable std::mutex mutex_;  // guards what follows
  UartState s_;
  bool irq_level_ = false;
  bool timeout_armed_ = false;
  io::Clock::time_point timeout_at_;
  io::Timer timeout_timer_;
};

}  // namespace davit::devices
