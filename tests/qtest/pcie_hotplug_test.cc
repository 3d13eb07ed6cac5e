// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Cards of PCI Express slots that come and go natively on the q35, with a test as the guest's
// driver: slot registers (PCI Express 4.0, 7.8.9 to 7.8.11), link state, interrupt, configuration
// space and events. Runs on QEMU, too.
#include <gtest/gtest.h>

#include <string>

#include "schema/runtime/json/json.h"
#include "tests/support/virtio/pci.h"

namespace davit::qtest {
namespace {

constexpr Bdf kPort{0, 1, 0};
constexpr uint32_t kNobody = 0xffffffff, kRng = 0x10441af4;
// In the Express capability.
constexpr uint32_t kLinkStatus = 0x12, kSlotCapabilities = 0x14, kSlotControl = 0x18,
                   kSlotStatus = 0x1a;
constexpr uint16_t kLinkActive = 0x2000;
// Slot control: what may interrupt (button, presence, commands, all), and power and lamps.
constexpr uint16_t kEvents = 0x01 | 0x08 | 0x10 | 0x20;
constexpr uint16_t kOff = 0x07c0, kOn = 0x01c0, kBlinking = 0x02c0, kPowerOff = 0x05c0;
// Slot status.
constexpr uint16_t kButton = 0x01, kPresenceChanged = 0x08, kCompleted = 0x10, kPresent = 0x40;

class PcieHotplugQtest : public ::testing::Test {
 protected:
  PcieHotplugQtest() {
    behind_ = static_cast<uint8_t>(PciRead(m_, kPort, kPciBuses + 1, 1));
    express_ = *port_.Capability(kPciCapExpress);
    EXPECT_TRUE(port_.EnableMsix());
    Control(kOff | kEvents);
    TakeStatus();
  }
  std::string Try(std::string_view command, json::Object arguments) {
    auto done = m_.qmp().Execute(command, std::move(arguments));
    return done ? "ok" : done.error().message;
  }
  std::string Add(const std::string& id) {
    return Try("device_add", {{"driver", "virtio-rng-pci"}, {"id", id}, {"bus", "p1"}});
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
  uint16_t Express(uint32_t offset) {
    return static_cast<uint16_t>(PciRead(m_, kPort, express_ + offset, 2));
  }
  void Control(uint16_t value) { PciWrite(m_, kPort, express_ + kSlotControl, 2, value); }
  bool LinkIsUp() { return (Express(kLinkStatus) & kLinkActive) != 0; }
  bool Interrupted() { return port_.TakeMessage(0); }
  // Status of now; the events in it are cleared. The guest was interrupted, when there are any.
  uint16_t TakeStatus() {
    const uint16_t status = Express(kSlotStatus);
    EXPECT_EQ(Interrupted(), (status & 0x1f) != 0) << "status " << std::hex << status;
    PciWrite(m_, kPort, express_ + kSlotStatus, 2, status & 0x1f);
    return status;
  }
  // A card that the guest uses.
  void Start(const std::string& id) {
    ASSERT_EQ(Add(id), "ok");
    Control(kOn | kEvents);
    TakeStatus();
    ASSERT_EQ(Card(), kRng);
  }

  Machine m_{{"-M", "q35", "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off",
              "-device", "pcie-root-port,id=p1,chassis=1,slot=3,addr=1"}};
  // Buses have numbers from the scan on.
  PciFunction port_{(PciScan(m_), m_), kPort};
  uint8_t behind_ = 0, express_ = 0;
};

TEST_F(PcieHotplugQtest, SlotSaysWhatItHas) {
  const uint32_t capabilities = PciRead(m_, kPort, express_ + kSlotCapabilities, 4);
  EXPECT_EQ(capabilities >> 19, 3U) << "its number";
  // Button, power controller, both lamps, surprise removal, hot-plug, interlock.
  EXPECT_EQ(capabilities & 0x7ffff, 0x2007bU);
  EXPECT_EQ(Express(kSlotStatus), 0);
  EXPECT_FALSE(LinkIsUp());
}

TEST_F(PcieHotplugQtest, CommandIsToldToBeComplete) {
  Control(kOff | kEvents);
  EXPECT_EQ(TakeStatus(), kCompleted);
  Control(kOff);
  EXPECT_EQ(Express(kSlotStatus), kCompleted);
  EXPECT_FALSE(Interrupted()) << "nobody wants to hear of it";
}

TEST_F(PcieHotplugQtest, CardComesAndGoesWhenTheGuestSwitchesItsSlot) {
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(Add("a"), "ok");
    EXPECT_EQ(TakeStatus(), kPresent | kPresenceChanged | kButton);
    EXPECT_TRUE(LinkIsUp());
    Control(kOn | kEvents);
    EXPECT_EQ(TakeStatus(), kPresent | kCompleted);
    EXPECT_EQ(Card(), kRng);

    ASSERT_EQ(Delete("a"), "ok");
    EXPECT_EQ(TakeStatus(), kPresent | kButton);
    EXPECT_EQ(Delete("a"), "Device a is already in the process of unplug");
    Control(kBlinking | kEvents);
    EXPECT_EQ(TakeStatus(), kPresent | kCompleted);
    EXPECT_EQ(Card(), kRng) << "until the guest agrees";
    Control(kPowerOff | kEvents);
    EXPECT_EQ(TakeStatus(), kPresent | kCompleted);
    Control(kOff | kEvents);
    EXPECT_EQ(Deleted(), "a");
    EXPECT_EQ(TakeStatus(), kPresenceChanged | kCompleted);
    EXPECT_FALSE(LinkIsUp());
    EXPECT_EQ(Card(), kNobody);
  }
}

TEST_F(PcieHotplugQtest, GuestMaySwitchASlotOffUnasked) {
  Start("a");
  Control(kOff | kEvents);
  EXPECT_EQ(Deleted(), "a");
  EXPECT_EQ(TakeStatus(), kPresenceChanged | kCompleted);
  EXPECT_EQ(Card(), kNobody);
  Start("a");
}

TEST_F(PcieHotplugQtest, CardOfASlotThatIsOffGoesAtOnce) {
  ASSERT_EQ(Add("a"), "ok");
  TakeStatus();
  ASSERT_EQ(Delete("a"), "ok");
  EXPECT_EQ(Deleted(), "a");
  EXPECT_EQ(TakeStatus(), kPresenceChanged);
  EXPECT_FALSE(LinkIsUp());
}

TEST_F(PcieHotplugQtest, GuestThatIsBusyWithItsSlotIsNotAsked) {
  Start("a");
  Control(kBlinking | kEvents);
  TakeStatus();
  EXPECT_EQ(Delete("a"), "Hot-unplug failed: guest is busy (power indicator blinking)");
  EXPECT_EQ(TakeStatus(), kPresent);
}

TEST_F(PcieHotplugQtest, ResetTakesWhatTheGuestWasAskedFor) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU keeps the card";
  Start("a");
  ASSERT_EQ(Delete("a"), "ok");
  m_.Qmp("system_reset");
  EXPECT_EQ(Deleted(), "a");
  EXPECT_EQ(Express(kSlotStatus) & (kPresent | kButton), 0);
  ASSERT_EQ(Add("a"), "ok");
}

}  // namespace
}  // namespace davit::qtest
