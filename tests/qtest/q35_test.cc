// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The q35 board with a test as the guest: configuration space both ways, the power management
// block, the reset port, the serial port's line.
#include <gtest/gtest.h>

#include "tests/support/virtio/pci.h"

namespace davit::qtest {
namespace {

constexpr Bdf kMch{0, 0, 0}, kLpc{0, 31, 0};
constexpr uint32_t kPmbase = 0x40, kAcpiControl = 0x44;
constexpr uint16_t kPm = 0x600;
constexpr uint16_t kPm1Status = kPm, kPm1Enable = kPm + 2, kPm1Control = kPm + 4,
                   kPmTimer = kPm + 8;
constexpr unsigned kSciGsi = 9;

void EnablePm(Machine& m) {
  PciWrite(m, kLpc, kPmbase, 4, kPm | 1);
  PciWrite(m, kLpc, kAcpiControl, 1, 0x80);
}

TEST(Q35Qtest, ChipsetIsFoundByPortsAndByEcam) {
  Machine m({"-M", "q35"});
  EXPECT_EQ(PciRead(m, kMch, kPciVendor, 4), 0x29c08086U);
  EXPECT_EQ(PciRead(m, kLpc, kPciVendor, 4), 0x29188086U);
  EXPECT_EQ(PciRead(m, {0, 3, 0}, kPciVendor, 4), 0xffffffffU);
  EXPECT_EQ(m.Read32(EcamAddress(m, kMch, kPciVendor)), 0x29c08086U);
  EXPECT_EQ(m.Read32(EcamAddress(m, kLpc, kPciVendor)), 0x29188086U);
  EXPECT_EQ(m.Read(EcamAddress(m, kLpc, kPciDevice), 2), 0x2918U);
  EXPECT_EQ(m.Read32(EcamAddress(m, {0, 3, 0}, kPciVendor)), 0xffffffffU);
}

TEST(Q35Qtest, ScanFindsBothOnce) {
  Machine m({"-M", "q35"});
  EXPECT_EQ(PciFind(m, 0x8086, 0x29c0), std::vector<Bdf>{kMch});
  EXPECT_EQ(PciFind(m, 0x8086, 0x2918), std::vector<Bdf>{kLpc});
}

TEST(Q35Qtest, PmTimerFollowsTheVirtualClock) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU's package has no accelerator qtest";
  Machine m({"-M", "q35"});
  EnablePm(m);
  EXPECT_EQ(m.In(kPmTimer, 4), 0U);
  EXPECT_EQ(m.In(kPmTimer, 4), 0U);
  m.ClockStep(1'000'000'000);
  EXPECT_EQ(m.In(kPmTimer, 4), 3'579'545U);
}

TEST(Q35Qtest, PowerButtonRaisesTheSciAndTheSleepBitsEndTheMachine) {
  Machine m({"-M", "q35"});
  EnablePm(m);
  m.InterceptIoapic();
  m.Out(kPm1Enable, 2, 1 << 8);
  m.Out(kPm1Control, 2, 1);  // SCI_EN
  m.Qmp("system_powerdown");
  EXPECT_TRUE(m.WaitFor([&] { return m.Line(kSciGsi); }));
  EXPECT_EQ(m.In(kPm1Status, 2) & 1 << 8, 1U << 8);
  m.Out(kPm1Status, 2, 1 << 8);
  EXPECT_FALSE(m.Line(kSciGsi));
  m.Out(kPm1Control, 2, 1 << 13);  // SLP_EN, type 0: S5
  auto event = m.qmp().WaitEvent("SHUTDOWN");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["reason"], json::Value("guest-shutdown"));
}

TEST(Q35Qtest, ResetPortResetsAndRegistersAreAsAtReset) {
  Machine m({"-M", "q35"});
  EnablePm(m);
  EXPECT_EQ(PciRead(m, kLpc, kPmbase, 4), kPm | 1U);
  m.OutB(0xcf9, 0x06);
  auto event = m.qmp().WaitEvent("RESET");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["reason"], json::Value("guest-reset"));
  EXPECT_EQ(PciRead(m, kLpc, kPmbase, 4), 1U);
}

}  // namespace
}  // namespace davit::qtest
