// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See i8042.h.
#include "vmm/devices/i8042.h"

namespace davit::devices {
namespace {

enum Command : uint8_t {
  kReadControl = 0x20,
  kWriteControl = 0x60,
  kDisableAux = 0xa7,
  kEnableAux = 0xa8,
  kTestAux = 0xa9,
  kSelfTest = 0xaa,
  kTestKeyboard = 0xab,
  kDisableKeyboard = 0xad,
  kEnableKeyboard = 0xae,
  kReadInputPort = 0xc0,
  kReadOutputPort = 0xd0,
  kWriteOutputPort = 0xd1,
  kLoopKeyboard = 0xd2,
  kLoopAux = 0xd3,
  kWriteAux = 0xd4,
  kDisableA20 = 0xdd,
  kEnableA20 = 0xdf,
  kPulse = 0xf0,  // 0xf0..0xff: pulls the output lines low whose bit is clear
};

constexpr uint8_t kControlKeyboardIrq = 0x01, kControlSystem = 0x04, kControlKeyboardOff = 0x10,
                  kControlAuxOff = 0x20;
constexpr uint8_t kStatusOutput = 0x01, kStatusSystem = 0x04, kStatusCommand = 0x08,
                  kStatusUnlocked = 0x10, kStatusAux = 0x20, kStatusTimeout = 0x40;
constexpr uint8_t kPortReset = 0x01, kPortA20 = 0x02;

constexpr uint8_t kSelfTestPassed = 0x55;
constexpr uint8_t kClockStuckLow = 0x01;  // there is no second port
constexpr uint8_t kResend = 0xfe;         // what the controller makes of a device that is silent

}  // namespace

I8042::I8042(irq::IrqLine* keyboard_irq, Callbacks callbacks)
    : irq_(keyboard_irq), callbacks_(std::move(callbacks)) {}

void I8042::Reset() {
  std::lock_guard lock(mutex_);
  s_ = I8042State();
  UpdateIrq();
}

I8042State I8042::state() const {
  std::lock_guard lock(mutex_);
  return s_;
}

void I8042::Port::Read(uint64_t, std::span<uint8_t> data) {
  std::lock_guard lock(device_.mutex_);
  for (uint8_t& byte : data) byte = 0xff;
  data[0] = command_ ? device_.Status() : device_.ReadData();
}

void I8042::Port::Write(uint64_t, std::span<const uint8_t> data) {
  Effects effects;
  {
    std::lock_guard lock(device_.mutex_);
    if (command_) {
      device_.WriteCommand(data[0], effects);
    } else {
      device_.WriteData(data[0], effects);
    }
  }
  if (effects.a20_changed && device_.callbacks_.a20) device_.callbacks_.a20(effects.a20);
  if (effects.reset && device_.callbacks_.reset) device_.callbacks_.reset();
}

uint8_t I8042::Status() const {
  uint8_t status = kStatusUnlocked;  // the input buffer is never full
  if (s_.control & kControlSystem) status |= kStatusSystem;
  if (s_.last_write_was_command) status |= kStatusCommand;
  if (s_.output_full) {
    status |= kStatusOutput;
    if (s_.output_is_aux) status |= kStatusAux;
    if (s_.output_timeout) status |= kStatusTimeout;
  }
  return status;
}

uint8_t I8042::ReadData() {
  s_.output_full = false;
  UpdateIrq();
  return s_.output;
}

void I8042::Answer(uint8_t value, bool aux, bool timeout) {
  s_.output = value;
  s_.output_full = true;
  s_.output_is_aux = aux;
  s_.output_timeout = timeout;
  UpdateIrq();
}

void I8042::UpdateIrq() {
  if (irq_) irq_->Set(s_.output_full && !s_.output_is_aux && (s_.control & kControlKeyboardIrq));
}

void I8042::SetOutputPort(uint8_t value, Effects& effects) {
  effects.a20_changed = (s_.output_port ^ value) & kPortA20;
  effects.a20 = value & kPortA20;
  effects.reset = !(value & kPortReset);
  s_.output_port = value | kPortReset;  // the line comes back by itself
}

void I8042::WriteData(uint8_t value, Effects& effects) {
  s_.last_write_was_command = false;
  const uint8_t command = s_.command;
  s_.command = 0;
  switch (command) {
    case kWriteControl:
      s_.control = value;
      UpdateIrq();
      break;
    case kWriteOutputPort:
      SetOutputPort(value, effects);
      break;
    case kLoopKeyboard:
      Answer(value);
      break;
    case kLoopAux:  // a controller without a second port loops to the first
      Answer(value);
      break;
    default:  // for a device: nobody answers
      Answer(kResend, command == kWriteAux, true);
      break;
  }
}

void I8042::WriteCommand(uint8_t value, Effects& effects) {
  s_.last_write_was_command = true;
  s_.command = 0;
  if (value >= kPulse) {
    effects.reset = !(value & kPortReset);
    return;
  }
  switch (value) {
    case kReadControl:
      Answer(s_.control);
      break;
    case kWriteControl:
    case kWriteOutputPort:
    case kLoopKeyboard:
    case kLoopAux:
    case kWriteAux:
      s_.command = value;
      break;
    case kDisableAux:
      s_.control |= kControlAuxOff;
      break;
    case kEnableAux:
      s_.control &= static_cast<uint8_t>(~kControlAuxOff);
      break;
    case kTestAux:
      Answer(kClockStuckLow);
      break;
    case kSelfTest:
      s_.control |= kControlSystem;
      Answer(kSelfTestPassed);
      break;
    case kTestKeyboard:
      Answer(0);
      break;
    case kDisableKeyboard:
      s_.control |= kControlKeyboardOff;
      break;
    case kEnableKeyboard:
      s_.control &= static_cast<uint8_t>(~kControlKeyboardOff);
      break;
    case kReadInputPort:
      Answer(0x80);  // keyboard not locked
      break;
    case kReadOutputPort:
      Answer(s_.output_port);
      break;
    case kDisableA20:
      SetOutputPort(s_.output_port & static_cast<uint8_t>(~kPortA20), effects);
      break;
    case kEnableA20:
      SetOutputPort(s_.output_port | kPortA20, effects);
      break;
    default:
      break;
  }
}

}  // namespace davit::devices
