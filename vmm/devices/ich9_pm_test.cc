// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of Ich9Pm.
#include "vmm/devices/ich9_pm.h"

#include <gtest/gtest.h>

#include "vmm/bus/testing/registers.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"

namespace davit::devices {
namespace {

using std::chrono::milliseconds;

class Ich9PmTest : public testing::Test {
 protected:
  uint64_t Read(uint64_t offset, size_t size) { return bus::testing::Load(pm_, offset, size); }
  void Write(uint64_t offset, size_t size, uint64_t value) {
    bus::testing::Store(pm_, offset, size, value);
  }

  int power_offs_ = 0;
  io::FakeEventLoop loop_;
  irq::RecordingIrqLine sci_;
  Ich9Pm pm_{sci_, loop_, {[this] { ++power_offs_; }}};
};

TEST_F(Ich9PmTest, RegistersAtResetAreQemusWithoutSmm) {
  EXPECT_EQ(Read(0, 4), 1u) << "timer overflow";
  EXPECT_EQ(Read(4, 2), 1u) << "SCI_EN";
  EXPECT_EQ(Read(6, 2), 0xffffu);
  EXPECT_EQ(Read(0x20, 8), 0u);
  EXPECT_EQ(Read(0x28, 8), 0u);
  EXPECT_EQ(Read(0x30, 8), 0x20u);
  EXPECT_EQ(Read(0x68, 4), 0x80000u);
  EXPECT_EQ(Read(0x70, 4), 0x40003u);
}

TEST_F(Ich9PmTest, PowerButtonNeedsItsEnableBit) {
  Write(0, 2, 1);
  pm_.PressPowerButton();
  EXPECT_EQ(Read(0, 2), 0u);
  Write(2, 2, 0x100);
  pm_.PressPowerButton();
  EXPECT_EQ(Read(0, 2), 0x100u);
  EXPECT_TRUE(sci_.level());
  Write(0, 2, 0x100);
  EXPECT_EQ(Read(0, 2), 0u);
  EXPECT_FALSE(sci_.level());
}

TEST_F(Ich9PmTest, StatusBitsAreClearedByOnesOnly) {
  Write(0, 2, 1);
  Write(2, 2, 0x100);
  pm_.PressPowerButton();
  Write(0, 2, 0xfeff);
  EXPECT_EQ(Read(0, 2), 0x100u);
  Write(1, 1, 0x01);
  EXPECT_EQ(Read(0, 2), 0u);
}

TEST_F(Ich9PmTest, TimerRunsAt3579545Hz) {
  loop_.Advance(milliseconds(1000));
  EXPECT_EQ(Read(8, 4), 3579545u);
  EXPECT_EQ(Read(9, 1), (3579545u >> 8) & 0xff);
  loop_.Advance(milliseconds(4000));
  EXPECT_EQ(Read(8, 4), 5 * 3579545u & 0xffffff) << "24 bits";
}

TEST_F(Ich9PmTest, TimerOverflowSetsItsStatusAndInterrupts) {
  Write(0, 2, 1);
  Write(2, 2, 1);
  loop_.Advance(milliseconds(2343));
  EXPECT_EQ(Read(0, 2), 0u);
  EXPECT_FALSE(sci_.level());
  loop_.Advance(milliseconds(2));
  EXPECT_EQ(Read(0, 2), 1u);
  EXPECT_TRUE(sci_.level());
  Write(0, 2, 1);
  EXPECT_FALSE(sci_.level());
  loop_.Advance(milliseconds(2344));
  EXPECT_TRUE(sci_.level()) << "bit 23 has changed again";
}

TEST_F(Ich9PmTest, NoHostTimerWhileTheGuestAsksForNone) {
  Write(0, 2, 1);
  loop_.RunPosted();
  EXPECT_EQ(loop_.timers(), 0u);
  Write(2, 2, 1);
  loop_.RunPosted();
  EXPECT_EQ(loop_.timers(), 1u);
}

TEST_F(Ich9PmTest, SleepTypeZeroWithEnableIsPowerOff) {
  Write(4, 2, 0x0001);
  EXPECT_EQ(power_offs_, 0);
  Write(4, 2, 0x2001);
  EXPECT_EQ(power_offs_, 1);
  EXPECT_EQ(Read(4, 2), 1u) << "SLP_EN reads as zero";
}

TEST_F(Ich9PmTest, OtherSleepTypesDoNothing) {
  for (unsigned type = 1; type < 8; ++type) Write(4, 2, 0x2001 | type << 10);
  EXPECT_EQ(power_offs_, 0);
}

TEST_F(Ich9PmTest, PowerOffByByteWrite) {
  Write(5, 1, 0x20);
  EXPECT_EQ(power_offs_, 1);
}

TEST_F(Ich9PmTest, GpeInterruptsWhenEnabledUntilCleared) {
  pm_.RaiseGpe(9);
  EXPECT_EQ(Read(0x20, 8), 0x200u);
  EXPECT_FALSE(sci_.level());
  Write(0x29, 1, 0x02);
  EXPECT_TRUE(sci_.level());
  Write(0x20, 4, 0xfffffdff);
  EXPECT_TRUE(sci_.level());
  Write(0x21, 1, 0x02);
  EXPECT_FALSE(sci_.level());
}

TEST_F(Ich9PmTest, AcpiModeFollowsTheApmCommands) {
  pm_.EnableAcpi(false);
  EXPECT_EQ(Read(4, 2), 0u);
  pm_.EnableAcpi(true);
  EXPECT_EQ(Read(4, 2), 1u);
}

TEST_F(Ich9PmTest, TimeStandsStillWhileTheGuestDoes) {
  Write(0, 2, 1);
  Write(2, 2, 1);
  loop_.Advance(milliseconds(1000));
  pm_.Run(false);
  loop_.Advance(milliseconds(5000));
  EXPECT_EQ(Read(8, 4), 3579545u);
  EXPECT_FALSE(sci_.level());
  pm_.Run(true);
  EXPECT_EQ(Read(8, 4), 3579545u);
  loop_.Advance(milliseconds(1345));
  EXPECT_TRUE(sci_.level());
}

TEST_F(Ich9PmTest, ResetForgetsAllButTheTime) {
  Write(2, 2, 0x101);
  Write(0x28, 8, ~uint64_t{0});
  pm_.RaiseGpe(3);
  pm_.PressPowerButton();
  loop_.Advance(milliseconds(3000));
  pm_.Reset();
  EXPECT_FALSE(sci_.level());
  EXPECT_EQ(Read(0, 4), 1u);
  EXPECT_EQ(Read(0x20, 8) | Read(0x28, 8), 0u);
  EXPECT_EQ(Read(8, 4), 3 * 3579545u & 0xffffff);
}

}  // namespace
}  // namespace davit::devices
