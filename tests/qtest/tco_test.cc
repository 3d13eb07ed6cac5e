// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The TCO watchdog of a q35, with a test as the guest's driver and as its time. What needs no time
// runs on QEMU, too.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/virtio/pci.h"

namespace davit::qtest {
namespace {

constexpr Bdf kLpc{0, 31, 0};
constexpr uint16_t kPm = 0x600, kTco = kPm + 0x60;
constexpr uint16_t kReload = kTco, kStatus1 = kTco + 4, kStatus2 = kTco + 6, kControl1 = kTco + 8,
                   kInitial = kTco + 0x12;
constexpr uint64_t kRcba = 0xfed1c000, kGeneralControl = kRcba + 0x3410;
constexpr uint32_t kNoReboot = 0x20;
constexpr int64_t kTick = 600'000'000;

// As firmware and the guest's driver do it: the blocks placed, rebooting allowed.
void StartDriver(Machine& m) {
  PciWrite(m, kLpc, 0x40, 4, kPm | 1);
  PciWrite(m, kLpc, 0x44, 1, 0x80);
  PciWrite(m, kLpc, 0xf0, 4, kRcba | 1);
  m.Write32(kGeneralControl, m.Read32(kGeneralControl) & ~kNoReboot);
}

void StartTicks(Machine& m, uint16_t ticks) {
  m.Out(kInitial, 2, ticks);
  m.Out(kReload, 2, 1);
}

std::vector<std::string> Args(const std::vector<std::string>& more) {
  std::vector<std::string> args = {"-M", "q35"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(TcoQtest, RegistersReadBack) {
  Machine m(Args({"-global", "ICH9-LPC.noreboot=off"}));
  PciWrite(m, kLpc, 0x40, 4, kPm | 1);
  PciWrite(m, kLpc, 0x44, 1, 0x80);
  PciWrite(m, kLpc, 0xf0, 4, kRcba | 1);
  EXPECT_EQ(m.Read32(kGeneralControl), kNoReboot);
  m.Write32(kGeneralControl, 0);
  EXPECT_EQ(m.Read32(kGeneralControl), 0U);
  EXPECT_EQ(m.In(kControl1, 4), 0x80000U);
  EXPECT_EQ(m.In(kTco + 0x10, 4), 0x40003U);
  m.Out(kControl1, 2, 0x800);
  m.Out(kInitial, 2, 0x10);
  m.Out(kReload, 2, 5);
  EXPECT_EQ(m.In(kReload, 2), 5U) << "halted: what was written";
  EXPECT_EQ(m.In(kInitial, 2), 0x10U);
  m.Out(kTco + 2, 1, 0x5a);
  m.Out(kTco + 3, 1, 0x77);
  EXPECT_EQ(m.In(kStatus1, 2), 6U);
  m.Out(kControl1, 2, 0xffff);
  m.Out(kControl1, 2, 0x800);
  EXPECT_EQ(m.In(kControl1, 2), 0x1800U) << "locked";
  m.Out(kPm + 0x30, 4, 0x2000);
  EXPECT_EQ(m.In(kPm + 0x30, 4) & 0x2000, 0U) << "TCO_EN stays";
}

TEST(TcoQtest, RunsOutAfterBothStagesAndNotBefore) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m(Args({"-global", "ICH9-LPC.noreboot=off", "-action", "watchdog=pause"}));
  StartDriver(m);
  StartTicks(m, 4);
  m.ClockStep(4 * kTick);
  EXPECT_EQ(m.In(kStatus1, 2), 8U);
  m.ClockStep(3 * kTick);
  EXPECT_EQ(m.Qmp("query-status")["status"], json::Value("running"));
  m.ClockStep(kTick);
  const auto event = m.qmp().WaitEvent("WATCHDOG");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["action"], json::Value("pause"));
  EXPECT_TRUE(m.qmp().WaitEvent("STOP"));
  EXPECT_EQ(m.Qmp("query-status")["status"], json::Value("watchdog"));
  EXPECT_EQ(m.In(kStatus2, 2), 6U);
}

TEST(TcoQtest, AResetIsTheActionByDefaultAndStopsTheTimer) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m(Args({"-global", "ICH9-LPC.noreboot=off"}));
  StartDriver(m);
  StartTicks(m, 2);
  m.ClockStep(4 * kTick);
  const auto event = m.qmp().WaitEvent("RESET");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["guest"], json::Value(true));
  StartDriver(m);
  EXPECT_EQ(m.In(kInitial, 2), 4U);
  EXPECT_EQ(m.In(kStatus2, 2), 2U) << "why there was a reset";
}

// The strap is set unless it is switched off, as in QEMU 7.2; the bit of the chipset is the
// guest's.
TEST(TcoQtest, NeitherStrapNorBitLetsItReboot) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine strapped(Args({"-action", "watchdog=pause"}));
  StartDriver(strapped);
  Machine forbidden(Args({"-global", "ICH9-LPC.noreboot=off", "-action", "watchdog=pause"}));
  StartDriver(forbidden);
  forbidden.Write32(kGeneralControl, kNoReboot);
  for (Machine* m : {&strapped, &forbidden}) {
    StartTicks(*m, 2);
    m->ClockStep(20 * kTick);
    EXPECT_EQ(m->In(kStatus2, 2), 6U);
    EXPECT_EQ(m->Qmp("query-status")["status"], json::Value("running"));
  }
}

}  // namespace
}  // namespace davit::qtest
