// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Cards of PCI Express slots that come and go by ACPI on the q35, with a test as the guest's ACPI
// driver: registers, GPE, configuration space and events. Runs on QEMU, too.
#include <gtest/gtest.h>

#include <string>

#include "schema/runtime/json/json.h"
#include "tests/support/virtio/pci.h"

namespace davit::qtest {
namespace {

constexpr uint16_t kPorts = 0xcc0;
constexpr uint16_t kCame = kPorts, kLeaving = kPorts + 4, kEject = kPorts + 8,
                   kRemovable = kPorts + 12, kSelector = kPorts + 16;
constexpr Bdf kLpc{0, 31, 0}, kPort{0, 1, 0};
constexpr uint16_t kPm = 0x600, kGpeStatus = kPm + 0x20, kGpeEnable = kPm + 0x28;
constexpr uint8_t kPciGpe = 1 << 1;
constexpr unsigned kSciGsi = 9;
constexpr uint32_t kNobody = 0xffffffff;
// Of the Express capability: the upper half is the slot's status.
constexpr uint32_t kSlotControl = 0x18;
constexpr uint32_t kPowerOff = 0x0400, kPresent = 0x40 << 16, kEvents = 0x1f << 16;

class AcpiPciHotplugQtest : public ::testing::Test {
 protected:
  AcpiPciHotplugQtest() {
    PciWrite(m_, kLpc, 0x40, 4, kPm | 1);
    PciWrite(m_, kLpc, 0x44, 1, 0x80);
    m_.InterceptIoapic();
    m_.OutB(kGpeEnable, kPciGpe);
    m_.Out(kPm + 4, 2, 1);
    (void)PciScan(m_);
    behind_ = static_cast<uint8_t>(PciRead(m_, kPort, kPciBuses + 1, 1));
    m_.Out(kSelector, 4, 0);
  }
  std::string Try(std::string_view command, json::Object arguments) {
    auto done = m_.qmp().Execute(command, std::move(arguments));
    return done ? "ok" : done.error().message;
  }
  std::string Add(const std::string& id, const std::string& bus = "p1") {
    return Try("device_add", {{"driver", "virtio-rng-pci"}, {"id", id}, {"bus", bus}});
  }
  std::string Delete(const std::string& id) { return Try("device_del", {{"id", id}}); }
  std::string Deleted() {
    for (;;) {
      auto event = m_.qmp().WaitEvent("DEVICE_DELETED");
      if (!event) return event.error().message;
      if (const std::string* id = event->data["device"].AsString()) return *id;
    }
  }
  uint32_t Card() { return PciRead(m_, {behind_, 0, 0}, 0, 4); }
  uint32_t Slot() {
    return PciRead(m_, kPort, *PciFunction(m_, kPort).Capability(kPciCapExpress) + kSlotControl, 4);
  }
  // The event, once.
  bool TakeGpe() {
    const bool raised = (m_.InB(kGpeStatus) & kPciGpe) != 0;
    EXPECT_EQ(m_.Line(kSciGsi), raised);
    m_.OutB(kGpeStatus, kPciGpe);
    return raised;
  }

  Machine m_{{"-M", "q35", "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=on", "-device",
              "pcie-root-port,id=p1,chassis=1,addr=1", "-device",
              "pcie-root-port,id=p2,chassis=2,addr=2,hotplug=off"}};
  uint8_t behind_ = 0;
};

TEST_F(AcpiPciHotplugQtest, CardComesAndGoesWhenTheGuestEjectsIt) {
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(TakeGpe());
    ASSERT_EQ(Add("a"), "ok");
    EXPECT_TRUE(TakeGpe());
    EXPECT_EQ(m_.In(kCame, 4), 1U);
    EXPECT_EQ(m_.In(kCame, 4), 0U);
    EXPECT_EQ(m_.In(kRemovable, 4) & 1, 1U);
    EXPECT_EQ(Card(), 0x10441af4U) << "it has power";
    EXPECT_EQ(m_.In(kLeaving, 4), 0U);

    ASSERT_EQ(Delete("a"), "ok");
    EXPECT_TRUE(TakeGpe());
    EXPECT_EQ(m_.In(kLeaving, 4), 1U);
    EXPECT_EQ(Card(), 0x10441af4U) << "until the guest agrees";
    m_.Out(kEject, 4, 1);
    EXPECT_EQ(Card(), kNobody) << "at once";
    EXPECT_EQ(m_.In(kLeaving, 4), 0U);
    EXPECT_EQ(Deleted(), "a");
  }
}

TEST_F(AcpiPciHotplugQtest, GuestMayEjectUnasked) {
  ASSERT_EQ(Add("a"), "ok");
  m_.Out(kEject, 4, 1);
  EXPECT_EQ(Deleted(), "a");
  EXPECT_EQ(m_.In(kCame, 4), 0U);
  m_.Out(kEject, 4, 1);  // an empty slot
  ASSERT_EQ(Add("a"), "ok");
  EXPECT_EQ(Card(), 0x10441af4U);
}

// A guest that boots clears events that it has not looked at.
TEST_F(AcpiPciHotplugQtest, GuestThatForgotMayBeAskedAgain) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU waits for its clock to move";
  ASSERT_EQ(Add("a"), "ok");
  ASSERT_EQ(Delete("a"), "ok");
  EXPECT_TRUE(TakeGpe());
  ASSERT_EQ(Delete("a"), "ok");
  EXPECT_TRUE(TakeGpe());
}

TEST_F(AcpiPciHotplugQtest, ResetTakesWhatTheGuestWasAskedFor) {
  ASSERT_EQ(Add("a"), "ok");
  ASSERT_EQ(Delete("a"), "ok");
  ASSERT_EQ(Try("system_reset", {}), "ok");
  EXPECT_EQ(Deleted(), "a");
  EXPECT_EQ(m_.In(kLeaving, 4), 0U);
  EXPECT_EQ(m_.In(kCame, 4), 0U);
}

// As QEMU's: nobody but ACPI speaks of the card.
TEST_F(AcpiPciHotplugQtest, RegistersOfTheSlotSayNothing) {
  ASSERT_EQ(Add("a"), "ok");
  EXPECT_EQ(Slot() & (kPresent | kEvents | kPowerOff), 0U);
}

TEST_F(AcpiPciHotplugQtest, PortWithoutHotplugHasNone) {
  EXPECT_EQ(Add("a", "p2"), "Bus 'p2' does not support hotplugging");
  EXPECT_EQ(Add("a", "pcie.0"), "Bus 'pcie.0' does not support hotplugging");
  m_.Out(kSelector, 4, 0x1000);
  EXPECT_EQ(m_.In(kRemovable, 4), 0U) << "no such bus";
}

}  // namespace
}  // namespace davit::qtest
