// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The keyboard controller of a PC (Intel 8042) with nothing plugged in: what reset by 0xfe, the A20
// gate and a driver's probe need. Commands are answered at once; bytes for the keyboard are
// answered with the controller's time-out, so that a probe does not wait. Ports 0x60 and 0x64,
// hence two BusDevices. Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "vmm/bus/bus.h"
#include "vmm/irq/irq_line.h"

namespace davit::devices {

struct I8042State {
  uint8_t control = 0x74;      // command byte: translate, clocks off, system flag
  uint8_t output_port = 0x03;  // reset line high, A20 on
  uint8_t command = 0;         // waits for its data byte; 0: none
  uint8_t output = 0;          // the output buffer
  bool output_full = false;
  bool output_is_aux = false;
  bool output_timeout = false;
  bool last_write_was_command = false;
};

class I8042 {
 public:
  // Called on the vCPU thread, with no lock held: they must not wait for it.
  struct Callbacks {
    std::function<void()> reset;
    std::function<void(bool on)> a20;  // may be empty
  };
  // keyboard_irq: IRQ 1, may be null; outlives the device.
  I8042(irq::IrqLine* keyboard_irq, Callbacks callbacks);

  bus::BusDevice& data_port() { return data_port_; }        // 0x60
  bus::BusDevice& command_port() { return command_port_; }  // 0x64
  void Reset();
  I8042State state() const;

 private:
  class Port final : public bus::BusDevice {
   public:
    Port(I8042& device, bool command) : device_(device), command_(command) {}
    void Read(uint64_t offset, std::span<uint8_t> data) override;
    void Write(uint64_t offset, std::span<const uint8_t> data) override;

   private:
    I8042& device_;
    const bool command_;
  };
  // What a write asks the outside to do, after the lock.
  struct Effects {
    bool reset = false;
    bool a20_changed = false;
    bool a20 = false;
  };

  // mutex_ held.
  uint8_t ReadData();
  uint8_t Status() const;
  void WriteData(uint8_t value, Effects& effects);
  void WriteCommand(uint8_t value, Effects& effects);
  void SetOutputPort(uint8_t value, Effects& effects);
  void Answer(uint8_t value, bool aux = false, bool timeout = false);
  void UpdateIrq();

  irq::IrqLine* irq_;
  const Callbacks callbacks_;
  Port data_port_{*this, false};
  Port command_port_{*this, true};
  mutable std::mutex mutex_;  // guards s_
  I8042State s_;
};

}  // namespace davit::devices
