// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/pci/i6300esb.h"

#include <gtest/gtest.h>

#include <chrono>

#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/pci/testing/host_fixture.h"
#include "vmm/pci/testing/recorded_config.h"

namespace davit::pci {
namespace {

using std::chrono::milliseconds;

constexpr uint8_t kAt = Devfn(1, 0);
constexpr uint64_t kBar = 0xe0000000;
constexpr uint8_t kEnable = 2, kLock = 1, kFree = 4;
// 1000 ticks of 2^15 / 33 MHz.
constexpr uint32_t kTicks = 1000;
constexpr milliseconds kStage{993};

class I6300esbTest : public HostFixture {
 protected:
  I6300esbTest() {
    EXPECT_TRUE(host_.root().Attach(device_, kAt));
    Map();
  }
  ~I6300esbTest() override { host_.root().Detach(device_); }

  void Map() {
    ConfigStore(0, kAt, 0x10, kBar);
    ConfigStore(0, kAt, kCommand, kCommandMemory, 2);
  }
  void Unlock() {
    Store(mmio_, kBar + 12, 2, 0x80);
    Store(mmio_, kBar + 12, 2, 0x86);
  }
  void Preload(uint32_t first, uint32_t second) {
    Unlock();
    Store(mmio_, kBar, 4, first);
    Unlock();
    Store(mmio_, kBar + 4, 4, second);
  }
  void Reload() {
    Unlock();
    Store(mmio_, kBar + 12, 2, 0x100);
  }
  void SetLock(uint8_t value) { ConfigStore(0, kAt, 0x68, value, 1); }
  uint32_t LockReg() { return ConfigLoad(0, kAt, 0x68, 1); }
  uint64_t ReloadReg() { return Load(mmio_, kBar + 12, 2); }

  int expired_ = 0;
  io::FakeEventLoop loop_;
  I6300esb device_{{.expired = [this] { ++expired_; }}, loop_};
};

TEST_F(I6300esbTest, ConfigurationSpaceIsQemusButForTheUnusedBitsOfItsOwn) {
  host_.Reset();
  const RecordedConfig qemu = LoadRecordedConfig("vmm/pci/testdata/i6300esb.hex");
  RecordedConfig ours = RecordConfig(host_, 0, kAt, 256);
  EXPECT_EQ(Difference(ours.bytes, qemu.bytes), "");
  EXPECT_EQ(ours.writable[0x60], 0x35);
  ours.writable[0x60] = ours.writable[0x61] = 0xff;
  EXPECT_EQ(Difference(ours.writable, qemu.writable), "");
}

TEST_F(I6300esbTest, RunsOutAfterBothStages) {
  Preload(kTicks, kTicks);
  SetLock(kEnable);
  loop_.Advance(2 * kStage - milliseconds(10));
  EXPECT_EQ(expired_, 0);
  loop_.Advance(milliseconds(20));
  EXPECT_EQ(expired_, 1);
  EXPECT_EQ(LockReg(), 0u);
  EXPECT_EQ(ReloadReg(), 0x1200u);
  loop_.Advance(std::chrono::hours(1));
  EXPECT_EQ(expired_, 1);
}

TEST_F(I6300esbTest, FastClockIsAThousandthOfTheSlowOne) {
  ConfigStore(0, kAt, 0x60, 0x04, 2);
  Preload(kTicks * 100, kTicks * 100);
  SetLock(kEnable);
  loop_.Advance(milliseconds(190));
  EXPECT_EQ(expired_, 0);
  loop_.Advance(milliseconds(10));
  EXPECT_EQ(expired_, 1);
}

TEST_F(I6300esbTest, ReloadStartsOver) {
  Preload(kTicks, kTicks);
  SetLock(kEnable);
  for (int i = 0; i < 5; ++i) {
    loop_.Advance(kStage + kStage / 2);
    Reload();
  }
  EXPECT_EQ(expired_, 0);
  loop_.Advance(2 * kStage + milliseconds(5));
  EXPECT_EQ(expired_, 1);
}

TEST_F(I6300esbTest, ReloadWithoutTheUnlockSequenceIsIgnored) {
  Preload(kTicks, kTicks);
  SetLock(kEnable);
  loop_.Advance(kStage + kStage / 2);
  Store(mmio_, kBar + 12, 2, 0x100);
  Store(mmio_, kBar + 12, 2, 0x86);
  Store(mmio_, kBar + 12, 2, 0x100);
  loop_.Advance(kStage);
  EXPECT_EQ(expired_, 1);
}

TEST_F(I6300esbTest, PreloadWithoutTheUnlockSequenceIsIgnored) {
  Store(mmio_, kBar, 4, 1);
  Store(mmio_, kBar + 4, 4, 1);
  SetLock(kEnable);
  loop_.Advance(std::chrono::minutes(30));
  EXPECT_EQ(expired_, 0);
}

TEST_F(I6300esbTest, LockedItCannotBeSwitchedOffBeforeAReset) {
  Preload(kTicks, kTicks);
  SetLock(kEnable | kLock);
  SetLock(0);
  EXPECT_EQ(LockReg(), 3u);
  host_.Reset();
  EXPECT_EQ(LockReg(), 0u);
  loop_.Advance(std::chrono::hours(1));
  EXPECT_EQ(expired_, 0);
}

TEST_F(I6300esbTest, SwitchedOffItStops) {
  Preload(kTicks, kTicks);
  SetLock(kEnable);
  loop_.Advance(kStage);
  SetLock(0);
  loop_.Advance(std::chrono::hours(1));
  EXPECT_EQ(expired_, 0);
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(I6300esbTest, WithItsOutputOffNothingHappens) {
  ConfigStore(0, kAt, 0x60, 0x20, 2);
  Preload(kTicks, kTicks);
  SetLock(kEnable);
  loop_.Advance(std::chrono::hours(1));
  EXPECT_EQ(expired_, 0);
  EXPECT_EQ(ReloadReg(), 0u);
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(I6300esbTest, FreeRunningItComesAgainWhenTheOutputIsSwitchedOn) {
  ConfigStore(0, kAt, 0x60, 0x20, 2);
  Preload(kTicks, kTicks);
  SetLock(kEnable | kFree);
  loop_.Advance(10 * kStage);
  EXPECT_EQ(expired_, 0);
  ConfigStore(0, kAt, 0x60, 0, 2);
  loop_.Advance(2 * kStage + milliseconds(10));
  EXPECT_EQ(expired_, 1);
}

TEST_F(I6300esbTest, TimeOutIsRememberedOverResetAndClearedByWritingOne) {
  Preload(1, 1);
  SetLock(kEnable);
  loop_.Advance(milliseconds(3));
  ASSERT_EQ(expired_, 1);
  host_.Reset();
  Map();
  EXPECT_EQ(ReloadReg(), 0x1200u);
  Store(mmio_, kBar + 12, 2, 0x200);
  EXPECT_EQ(ReloadReg(), 0x1200u);
  Unlock();
  Store(mmio_, kBar + 12, 2, 0x200);
  EXPECT_EQ(ReloadReg(), 0u);
}

TEST_F(I6300esbTest, TimeStandsStillWhileTheVmDoes) {
  Preload(kTicks, kTicks);
  SetLock(kEnable);
  loop_.Advance(kStage / 2);
  device_.OnRunning(false);
  loop_.Advance(std::chrono::hours(1));
  EXPECT_EQ(expired_, 0);
  device_.OnRunning(true);
  loop_.Advance(kStage + kStage / 2 - milliseconds(10));
  EXPECT_EQ(expired_, 0);
  loop_.Advance(milliseconds(20));
  EXPECT_EQ(expired_, 1);
}

TEST_F(I6300esbTest, ShortestPeriodsFreelyRunningCostLittle) {
  ConfigStore(0, kAt, 0x60, 0x24, 2);
  Preload(0, 0);
  SetLock(kEnable | kFree);
  loop_.Advance(milliseconds(10));  // would not end
  EXPECT_EQ(loop_.timers(), 1u);
}

}  // namespace
}  // namespace davit::pci
