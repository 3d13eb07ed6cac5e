// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of the i8042 with nothing plugged in.
#include "vmm/devices/i8042.h"

#include <gtest/gtest.h>

#include <vector>

#include "vmm/irq/recording_irq_line.h"

namespace davit::devices {
namespace {

class I8042Test : public testing::Test {
 protected:
  uint8_t Status() { return In(device_.command_port()); }
  uint8_t Data() { return In(device_.data_port()); }
  void Command(uint8_t value) { device_.command_port().Write(0, std::span(&value, 1)); }
  void Put(uint8_t value) { device_.data_port().Write(0, std::span(&value, 1)); }
  static uint8_t In(bus::BusDevice& port) {
    uint8_t value = 0;
    port.Read(0, std::span(&value, 1));
    return value;
  }

  int resets_ = 0;
  std::vector<bool> a20_;
  irq::RecordingIrqLine irq_;
  I8042 device_{&irq_, {[this] { ++resets_; }, [this](bool on) { a20_.push_back(on); }}};
};

TEST_F(I8042Test, InputBufferIsNeverFullSoThatRebootDoesNotWait) {
  EXPECT_EQ(Status() & 0x03, 0);
  Command(0x60);
  EXPECT_EQ(Status() & 0x02, 0);
}

TEST_F(I8042Test, PulseOfTheResetLineResets) {
  Command(0xfe);
  EXPECT_EQ(resets_, 1);
  Command(0xff);
  EXPECT_EQ(resets_, 1);
  Command(0xf0);
  EXPECT_EQ(resets_, 2);
}

TEST_F(I8042Test, OutputPortWithTheResetBitClearResets) {
  Command(0xd1);
  Put(0x02);
  EXPECT_EQ(resets_, 1);
}

TEST_F(I8042Test, A20FollowsTheOutputPortAndItsCommands) {
  Command(0xd1);
  Put(0x01);
  Command(0xdf);
  Command(0xdf);
  Command(0xdd);
  EXPECT_EQ(a20_, (std::vector<bool>{false, true, false}));
  EXPECT_EQ(resets_, 0);
}

TEST_F(I8042Test, SelfTestPasses) {
  Command(0xaa);
  EXPECT_EQ(Status() & 0x01, 0x01);
  EXPECT_EQ(Data(), 0x55);
  EXPECT_EQ(Status() & 0x01, 0x00);
}

TEST_F(I8042Test, ControlByteIsReadBack) {
  Command(0x60);
  Put(0x47);
  Command(0x20);
  EXPECT_EQ(Data(), 0x47);
}

TEST_F(I8042Test, SecondPortIsShownAbsent) {
  Command(0xd3);
  Put(0x5a);
  EXPECT_EQ(Status() & 0x20, 0);
  EXPECT_EQ(Data(), 0x5a);
  Command(0xa9);
  EXPECT_EQ(Data(), 0x01);
}

TEST_F(I8042Test, ByteForTheKeyboardIsATimeoutAtOnce) {
  Put(0xf2);
  EXPECT_EQ(Status() & 0x41, 0x41);
  EXPECT_EQ(Data(), 0xfe);
}

TEST_F(I8042Test, KeyboardInterruptFollowsTheOutputBufferWhenEnabled) {
  Put(0xf2);
  EXPECT_FALSE(irq_.level());
  Data();
  Command(0x60);
  Put(0x01);
  Put(0xf2);
  EXPECT_TRUE(irq_.level());
  Data();
  EXPECT_FALSE(irq_.level());
}

TEST_F(I8042Test, EveryCommandAndWideAccessesAreTolerated) {
  for (int command = 0; command < 0xf0; ++command) {
    Command(static_cast<uint8_t>(command));
    Put(0x03);
    Data();
  }
  uint8_t wide[8] = {};
  device_.data_port().Read(0, wide);
  device_.command_port().Read(0, wide);
  EXPECT_EQ(wide[1], 0xff);
  EXPECT_EQ(resets_, 0);
}

TEST_F(I8042Test, ResetForgetsAPendingCommand) {
  Command(0xd1);
  device_.Reset();
  Put(0x00);
  EXPECT_EQ(resets_, 0);
}

}  // namespace
}  // namespace davit::devices
