// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of Ich9Tco: what QEMU 7.2 reads back for the same accesses, but for status bits, which a
// one clears as the data book says.
#include "vmm/devices/ich9_tco.h"

#include <gtest/gtest.h>

#include <array>

#include "vmm/io/testing/fake_event_loop.h"

namespace davit::devices {
namespace {

constexpr uint64_t kReload = 0x00, kDataIn = 0x02, kDataOut = 0x03, kStatus1 = 0x04,
                   kStatus2 = 0x06, kControl1 = 0x08, kInitial = 0x12;
constexpr uint16_t kTimeout = 8, kTwice = 6, kHalt = 0x800, kLock = 0x1000;

class Ich9TcoTest : public testing::Test {
 protected:
  Ich9TcoTest() {
    tco_.Strap(false);
    tco_.SetNoReboot(false);
  }
  uint32_t Read(uint64_t offset, size_t size = 2) {
    std::array<uint8_t, 4> data{};
    tco_.Read(offset, std::span(data).first(size));
    return data[0] | data[1] << 8 | data[2] << 16 | uint32_t{data[3]} << 24;
  }
  void Write(uint64_t offset, uint32_t value, size_t size = 2) {
    std::array<uint8_t, 4> data{};
    for (size_t i = 0; i < size; ++i) data[i] = static_cast<uint8_t>(value >> 8 * i);
    tco_.Write(offset, std::span(data).first(size));
  }
  void StartTicks(uint16_t ticks) {
    Write(kInitial, ticks);
    Write(kReload, 1);
  }

  int fired_ = 0;
  io::FakeEventLoop loop_;
  Ich9Tco tco_{loop_, [this] { ++fired_; }};
};

TEST_F(Ich9TcoTest, RegistersAtReset) {
  EXPECT_EQ(Read(0x00, 4), 0u);
  EXPECT_EQ(Read(0x04, 4), 0u);
  EXPECT_EQ(Read(0x08, 4), 0x80000u);
  EXPECT_EQ(Read(0x0c, 4), 0u);
  EXPECT_EQ(Read(0x10, 4), 0x40003u);
  loop_.Advance(Ich9Tco::kTick * 100);
  EXPECT_EQ(Read(kStatus1), 0u) << "it stands until it is started";
}

TEST_F(Ich9TcoTest, TheSecondExpiryIsTheWatchdogs) {
  StartTicks(4);
  EXPECT_EQ(Read(kReload), 4u);
  loop_.Advance(Ich9Tco::kTick);
  EXPECT_EQ(Read(kReload), 3u);
  loop_.Advance(Ich9Tco::kTick * 3);
  EXPECT_EQ(Read(kStatus1), kTimeout);
  EXPECT_EQ(Read(kReload), 4u) << "it has started again";
  EXPECT_EQ(fired_, 0);
  loop_.Advance(Ich9Tco::kTick * 4);
  EXPECT_EQ(fired_, 1);
  EXPECT_EQ(Read(kStatus2), kTwice);
  EXPECT_EQ(Read(kReload), 0u);
  loop_.Advance(Ich9Tco::kTick * 100);
  EXPECT_EQ(fired_, 1) << "it stands";
}

TEST_F(Ich9TcoTest, AGuestThatPingsIsLeftAlone) {
  StartTicks(4);
  for (int i = 0; i < 10; ++i) {
    loop_.Advance(Ich9Tco::kTick * 6);
    EXPECT_EQ(Read(kStatus1), kTimeout);
    Write(kReload, 1);
    Write(kStatus1, kTimeout);
    EXPECT_EQ(Read(kStatus1), 0u);
  }
  EXPECT_EQ(fired_, 0);
}

TEST_F(Ich9TcoTest, NoRebootForbidsAndTheTimerGoesOn) {
  tco_.SetNoReboot(true);
  StartTicks(2);
  loop_.Advance(Ich9Tco::kTick * 4);
  EXPECT_EQ(Read(kStatus2), kTwice);
  EXPECT_EQ(Read(kReload), 2u);
  tco_.SetNoReboot(false);
  tco_.Strap(true);
  loop_.Advance(Ich9Tco::kTick * 4);
  EXPECT_EQ(fired_, 0);
  tco_.Strap(false);
  loop_.Advance(Ich9Tco::kTick * 4);
  EXPECT_EQ(fired_, 1);
}

TEST_F(Ich9TcoTest, HaltStopsAndWritesOfTheReloadAreKept) {
  StartTicks(16);
  Write(kControl1, kHalt);
  EXPECT_EQ(Read(kReload), 16u);
  Write(kReload, 5);
  EXPECT_EQ(Read(kReload), 5u);
  loop_.Advance(Ich9Tco::kTick * 100);
  EXPECT_EQ(Read(kStatus1), 0u);
  Write(kControl1, 0);
  EXPECT_EQ(Read(kReload), 16u) << "it starts from the beginning";
  Write(kInitial, 0x20);
  EXPECT_EQ(Read(kReload), 16u) << "from the next start on";
  Write(kInitial, 0);
  Write(kReload, 7);
  EXPECT_EQ(Read(kReload), 16u) << "nothing to start with";
  Write(kControl1, 0);
  EXPECT_EQ(Read(kReload), 7u);
}

TEST_F(Ich9TcoTest, InitialValuesBelowTwoAreIgnored) {
  for (const uint16_t ticks : {0, 1, 0x400, 0x401}) {
    StartTicks(ticks);
    loop_.Advance(Ich9Tco::kTick * 100);
    EXPECT_EQ(Read(kStatus1), 0u) << ticks;
    Write(kControl1, 0);
    loop_.Advance(Ich9Tco::kTick * 100);
    EXPECT_EQ(Read(kStatus1), 0u) << ticks;
  }
  EXPECT_EQ(fired_, 0);
}

TEST_F(Ich9TcoTest, OnlyAResetUnlocks) {
  EXPECT_FALSE(tco_.locked());
  Write(kControl1, 0xffff);
  EXPECT_EQ(Read(kControl1), 0xfeffu);
  Write(kControl1, 0);
  EXPECT_EQ(Read(kControl1), kLock);
  EXPECT_TRUE(tco_.locked());
  tco_.Reset();
  EXPECT_FALSE(tco_.locked());
}

TEST_F(Ich9TcoTest, AResetStopsTheTimerAndKeepsThatItRanOutTwice) {
  StartTicks(2);
  loop_.Advance(Ich9Tco::kTick * 4);
  ASSERT_EQ(fired_, 1);
  Write(kReload, 1);
  tco_.Reset();
  EXPECT_EQ(Read(kStatus1), 0u);
  EXPECT_EQ(Read(kStatus2), 2u);
  EXPECT_EQ(Read(kInitial), 4u);
  loop_.Advance(Ich9Tco::kTick * 100);
  EXPECT_EQ(fired_, 1);
  Write(kStatus2, 2);
  EXPECT_EQ(Read(kStatus2), 0u);
}

TEST_F(Ich9TcoTest, TimeStandsStillWithTheGuest) {
  StartTicks(4);
  loop_.Advance(Ich9Tco::kTick * 2);
  tco_.Run(false);
  loop_.Advance(Ich9Tco::kTick * 100);
  EXPECT_EQ(Read(kReload), 2u);
  EXPECT_EQ(Read(kStatus1), 0u);
  tco_.Run(true);
  loop_.Advance(Ich9Tco::kTick);
  EXPECT_EQ(Read(kStatus1), 0u);
  loop_.Advance(Ich9Tco::kTick);
  EXPECT_EQ(Read(kStatus1), kTimeout);
}

TEST_F(Ich9TcoTest, MailboxesLeaveTheirMark) {
  Write(kDataIn, 0x5a, 1);
  EXPECT_EQ(Read(kStatus1), 2u);
  Write(kDataOut, 0x77, 1);
  EXPECT_EQ(Read(kStatus1), 6u);
  EXPECT_EQ(Read(kDataIn, 1), 0x5au);
  EXPECT_EQ(Read(kDataOut, 1), 0x77u);
  Write(kStatus1, 2);
  EXPECT_EQ(Read(kStatus1), 4u);
}

TEST_F(Ich9TcoTest, EveryAccessIsTakenAndNoneReachesAnotherRegister) {
  Write(0x10, 0x00050044, 4);
  EXPECT_EQ(Read(0x10, 4), 0x00050044u);
  Write(kInitial, 0x33, 1);
  Write(kInitial + 1, 0x01, 1);
  EXPECT_EQ(Read(kInitial), 0x33u) << "the high byte is out of reach";
  for (uint64_t offset = 0x14; offset < Ich9Tco::kPorts; ++offset) {
    Write(offset, 0xff, 1);
    EXPECT_EQ(Read(offset, 1), 0u) << offset;
  }
  Write(0x0d, 0xffff);
  EXPECT_EQ(Read(0x0c), 0u);
  EXPECT_EQ(Read(0x0d, 1), 0xffu);
  EXPECT_EQ(Read(0x0e, 1), 0xffu);
}

}  // namespace
}  // namespace davit::devices
