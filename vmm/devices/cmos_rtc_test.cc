// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of the CMOS RTC with a fake clock and loop.
#include "vmm/devices/cmos_rtc.h"

#include <gtest/gtest.h>

#include "vmm/base/units.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"

namespace davit::devices {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr uint8_t kA = 10, kB = 11, kC = 12, kD = 13, kCentury = 0x32;
constexpr int64_t kStart = 1'709'211'599;  // 2024-02-29 12:59:59 UTC, a Thursday

class CmosRtcTest : public testing::Test {
 protected:
  int64_t SourceNs() const {
    return std::chrono::duration_cast<nanoseconds>(loop_.Now().time_since_epoch()).count();
  }
  uint8_t Get(uint8_t index) {
    Index(index);
    uint8_t value = 0;
    current_->Read(1, std::span(&value, 1));
    return value;
  }
  void Set(uint8_t index, uint8_t value) {
    Index(index);
    current_->Write(1, std::span(&value, 1));
  }
  void Index(uint8_t index) { current_->Write(0, std::span(&index, 1)); }

  irq::RecordingIrqLine irq_;
  io::FakeEventLoop loop_;
  CmosRtc rtc_{irq_, loop_, [this] { return SourceNs(); }, kStart};
  CmosRtc* current_ = &rtc_;  // that Get() and Set() reach
};

TEST_F(CmosRtcTest, ShowsTheStartTimeInBcd) {
  EXPECT_EQ(Get(0), 0x59);
  EXPECT_EQ(Get(2), 0x59);
  EXPECT_EQ(Get(4), 0x12);
  EXPECT_EQ(Get(6), 0x05);
  EXPECT_EQ(Get(7), 0x29);
  EXPECT_EQ(Get(8), 0x02);
  EXPECT_EQ(Get(9), 0x24);
  EXPECT_EQ(Get(kCentury), 0x20);
}

TEST_F(CmosRtcTest, TimeRunsOnOverTheLeapDay) {
  loop_.Advance(std::chrono::hours(11) + seconds(1));
  EXPECT_EQ(Get(4), 0x00);
  EXPECT_EQ(Get(7), 0x01);
  EXPECT_EQ(Get(8), 0x03);
  EXPECT_EQ(Get(6), 0x06);
}

TEST_F(CmosRtcTest, BinaryModeShowsPlainNumbers) {
  Set(kB, 0x06);
  EXPECT_EQ(Get(0), 59);
  EXPECT_EQ(Get(9), 24);
}

TEST_F(CmosRtcTest, TwelveHourModeMarksTheAfternoon) {
  Set(kB, 0x00);
  EXPECT_EQ(Get(4), 0x92);  // 12 pm
  loop_.Advance(seconds(1));
  EXPECT_EQ(Get(4), 0x81);
  loop_.Advance(std::chrono::hours(11));
  EXPECT_EQ(Get(4), 0x12);  // 12 am
}

TEST_F(CmosRtcTest, SetBitFreezesTheRegistersAndTakesTheNewTime) {
  Set(kB, 0x82);
  loop_.Advance(seconds(5));
  EXPECT_EQ(Get(0), 0x59);
  Set(0, 0x10);
  Set(2, 0x20);
  Set(4, 0x03);
  Set(7, 0x31);
  Set(8, 0x12);
  Set(9, 0x99);
  Set(kCentury, 0x19);
  Set(kB, 0x02);
  EXPECT_EQ(rtc_.now_seconds(), 946610410);  // 1999-12-31 03:20:10
  loop_.Advance(seconds(3));
  EXPECT_EQ(Get(0), 0x13);
}

TEST_F(CmosRtcTest, YearsFarFromNowAreKept) {
  Set(kB, 0x82);
  Set(9, 0x99);
  Set(kCentury, 0x99);
  Set(kB, 0x02);
  loop_.Advance(seconds(1));
  EXPECT_EQ(Get(9), 0x99);
  EXPECT_EQ(Get(kCentury), 0x99);
}

TEST_F(CmosRtcTest, WriteWithoutSetBitChangesTheTimeAtOnce) {
  Set(4, 0x07);
  EXPECT_EQ(Get(4), 0x07);
  EXPECT_EQ(rtc_.now_seconds(), kStart - 5 * 3600);
}

TEST_F(CmosRtcTest, UpdateInProgressShowsJustBeforeTheSecond) {
  EXPECT_EQ(Get(kA), 0x26);
  loop_.Advance(nanoseconds(999'800'000));
  EXPECT_EQ(Get(kA), 0xa6);
  loop_.Advance(nanoseconds(200'000));
  EXPECT_EQ(Get(kA), 0x26);
}

TEST_F(CmosRtcTest, UpdateEndedInterruptsEachSecondUntilCIsRead) {
  Set(kB, 0x12);
  loop_.Advance(milliseconds(999));
  EXPECT_FALSE(irq_.level());
  loop_.Advance(milliseconds(1));
  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(Get(kC) & 0xb0, 0x90);
  EXPECT_FALSE(irq_.level());
  loop_.Advance(seconds(1));
  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(irq_.rises(), 2);
}

TEST_F(CmosRtcTest, UpdateFlagIsSeenByPollingWithoutInterrupts) {
  Get(kC);
  EXPECT_EQ(Get(kC), 0);
  loop_.Advance(seconds(1));
  EXPECT_EQ(Get(kC) & 0x90, 0x10);
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(CmosRtcTest, AlarmInterruptsAtItsTime) {
  Set(1, 0x30);
  Set(3, 0x01);
  Set(5, 0x13);
  Set(kB, 0x22);
  loop_.Advance(seconds(90));
  EXPECT_FALSE(irq_.level());
  loop_.Advance(seconds(1));
  EXPECT_TRUE(irq_.level());
  EXPECT_EQ(Get(kC) & 0xa0, 0xa0);
}

TEST_F(CmosRtcTest, AlarmWithDontCareFieldsRepeats) {
  Set(1, 0x05);
  Set(3, 0xff);
  Set(5, 0xc0);
  Set(kB, 0x22);
  loop_.Advance(seconds(6));
  EXPECT_TRUE(irq_.level());
  Get(kC);
  loop_.Advance(seconds(59));
  EXPECT_FALSE(irq_.level());
  loop_.Advance(seconds(1));
  EXPECT_TRUE(irq_.level());
}

TEST_F(CmosRtcTest, ImpossibleAlarmNeverFires) {
  Set(1, 0x75);
  Set(3, 0x99);
  Set(5, 0x44);
  Set(kB, 0x22);
  loop_.Advance(std::chrono::hours(50));
  EXPECT_EQ(irq_.rises(), 0);
}

TEST_F(CmosRtcTest, AlarmMovedWhileArmedFiresAtTheNewTimeOnly) {
  Set(1, 0x10);
  Set(3, 0x00);
  Set(5, 0x13);
  Set(kB, 0x22);
  loop_.Advance(seconds(1));
  Set(1, 0x20);
  loop_.Advance(seconds(15));
  EXPECT_FALSE(irq_.level());
  loop_.Advance(seconds(5));
  EXPECT_TRUE(irq_.level());
}

TEST_F(CmosRtcTest, PeriodicInterruptHasTheRateOfA) {
  Set(kA, 0x2f);  // 2 Hz
  Set(kB, 0x42);
  int interrupts = 0;
  for (int i = 0; i < 40; ++i) {
    loop_.Advance(milliseconds(50));
    if (irq_.level()) {
      ++interrupts;
      EXPECT_EQ(Get(kC) & 0xc0, 0xc0);
    }
  }
  EXPECT_EQ(interrupts, 4);
}

TEST_F(CmosRtcTest, UnreadInterruptDoesNotKeepTheTimerBusy) {
  Set(kA, 0x23);  // 8192 Hz
  Set(kB, 0x42);
  loop_.Advance(seconds(1));
  EXPECT_EQ(irq_.rises(), 1);
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(CmosRtcTest, ResetTurnsInterruptsOffAndKeepsTimeAndRam) {
  Set(kB, 0x72);
  Set(0x40, 0x77);
  loop_.Advance(seconds(2));
  rtc_.Reset();
  EXPECT_FALSE(irq_.level());
  loop_.Advance(seconds(5));
  EXPECT_FALSE(irq_.level());
  EXPECT_EQ(Get(kB) & 0x70, 0);
  EXPECT_EQ(Get(0x40), 0x77);
  EXPECT_EQ(Get(0), 0x06);
}

TEST_F(CmosRtcTest, MemorySizeLiesWhereFirmwareLooks) {
  rtc_.SetMemorySize(3 * kGiB, 3 * kGiB);
  EXPECT_EQ(Get(0x15) | Get(0x16) << 8, 640);
  EXPECT_EQ(Get(0x17) | Get(0x18) << 8, 0xffff);
  EXPECT_EQ(Get(0x34) | Get(0x35) << 8, static_cast<int>((3 * kGiB - 16 * kMiB) / (64 * kKiB)));
  EXPECT_EQ(Get(0x5b) | Get(0x5c) << 8 | Get(0x5d) << 16, 0xc000);
}

TEST_F(CmosRtcTest, SmallMemoryLeavesTheUpperSizesZero) {
  rtc_.SetMemorySize(kMiB, 0);
  EXPECT_EQ(Get(0x17) | Get(0x18) << 8, 0);
  EXPECT_EQ(Get(0x34) | Get(0x35) << 8, 0);
}

TEST_F(CmosRtcTest, IndexPortReadsOnesAndIgnoresTheNmiBit) {
  Set(0x40, 0x12);
  Index(0xc0);
  uint8_t data[2] = {};
  rtc_.Read(0, data);
  EXPECT_EQ(data[0], 0xff);
  EXPECT_EQ(data[1], 0x12);
}

TEST_F(CmosRtcTest, RegistersCAndDAreReadOnly) {
  Set(kD, 0x00);
  EXPECT_EQ(Get(kD), 0x80);
  Set(kC, 0xff);
  EXPECT_EQ(Get(kC), 0x00);
}

TEST_F(CmosRtcTest, GarbageInEveryRegisterDoesNoHarm) {
  for (int mode : {0x80, 0x82, 0x84, 0x86}) {
    for (int value : {0x00, 0x7f, 0xaa, 0xff}) {
      Set(kB, static_cast<uint8_t>(mode));
      for (int index = 0; index < 256; ++index) {
        if ((index & 0x7f) != kB) Set(static_cast<uint8_t>(index), static_cast<uint8_t>(value));
      }
      Set(kA, 0x26);
      Set(kB, static_cast<uint8_t>(mode & 0x7f) | 0x70);
      loop_.Advance(seconds(2));
      for (int index = 0; index < 128; ++index) Get(static_cast<uint8_t>(index));
    }
  }
  uint8_t wide[8] = {};
  rtc_.Read(0, wide);
  rtc_.Write(0, wide);
  EXPECT_EQ(wide[7], 0xff);
}

// 16 Hz: a tick each 62.5 ms.
class SlewingRtcTest : public CmosRtcTest {
 protected:
  void Begin() {
    Set(kA, 0x2c);
    Set(kB, 0x42);
  }
  // Interrupts that a guest takes which answers each at once, within `time`.
  int Take(milliseconds time) {
    int taken = 0;
    for (milliseconds at(0); at < time; ++at) {
      loop_.Advance(milliseconds(1));
      if (irq_.level() && (Get(kC) & 0x40)) ++taken;
    }
    return taken;
  }
};

TEST_F(SlewingRtcTest, WithoutSlewTicksThatNobodyTookAreLost) {
  Begin();
  loop_.Advance(seconds(1));
  EXPECT_EQ(Get(kC) & 0xc0, 0xc0);
  EXPECT_EQ(Take(milliseconds(4000)), 64);
}

TEST_F(SlewingRtcTest, TicksThatNobodyTookAreGivenLater) {
  CmosRtc rtc(
      irq_, loop_, [this] { return SourceNs(); }, kStart, LostTicks::kSlew);
  current_ = &rtc;
  Begin();
  loop_.Advance(seconds(1));
  EXPECT_EQ(irq_.rises(), 1);
  EXPECT_EQ(Get(kC) & 0xc0, 0xc0);
  EXPECT_EQ(rtc.state().lost_ticks, 15u);
  EXPECT_FALSE(irq_.level());
  // At most eight in the time of one, then at the ordinary rate.
  const int first = Take(milliseconds(62));
  EXPECT_GE(first, 6);
  EXPECT_LE(first, 8);
  EXPECT_EQ(first + Take(milliseconds(3938)), 64 + 15);
  EXPECT_EQ(rtc.state().lost_ticks, 0u);
  EXPECT_EQ(Take(milliseconds(1000)), 16);
}

TEST_F(SlewingRtcTest, LostTicksAreATimeThatIsKeptOverAChangeOfRate) {
  CmosRtc rtc(
      irq_, loop_, [this] { return SourceNs(); }, kStart, LostTicks::kSlew);
  current_ = &rtc;
  Begin();
  loop_.Advance(seconds(1));
  Set(kA, 0x2a);  // 64 Hz
  EXPECT_EQ(rtc.state().lost_ticks, 60u);
  Set(kA, 0x2d);  // 8 Hz
  EXPECT_EQ(rtc.state().lost_ticks, 7u);
  Set(kB, 0x02);
  EXPECT_EQ(rtc.state().lost_ticks, 0u);
}

TEST_F(SlewingRtcTest, AResetForgetsLostTicks) {
  CmosRtc rtc(
      irq_, loop_, [this] { return SourceNs(); }, kStart, LostTicks::kSlew);
  current_ = &rtc;
  Begin();
  loop_.Advance(seconds(1));
  Get(kA);
  rtc.Reset();
  EXPECT_EQ(rtc.state().lost_ticks, 0u);
  loop_.Advance(seconds(1));
  EXPECT_FALSE(irq_.level());
}

TEST_F(SlewingRtcTest, TicksWithoutTheirInterruptAreNotCounted) {
  CmosRtc rtc(
      irq_, loop_, [this] { return SourceNs(); }, kStart, LostTicks::kSlew);
  current_ = &rtc;
  Set(kA, 0x2c);
  loop_.Advance(seconds(1));
  EXPECT_EQ(Get(kC) & 0xc0, 0x40);
  EXPECT_EQ(rtc.state().lost_ticks, 0u);
}

}  // namespace
}  // namespace davit::devices
