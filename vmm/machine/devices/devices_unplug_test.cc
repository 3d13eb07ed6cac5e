// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Devices that come and go while the VM lives: by slots of PCI Express, native and by ACPI.
#include <gtest/gtest.h>

#include "vmm/machine/devices/devices_fixture.h"

namespace davit::machine {
namespace {

constexpr uint16_t kSlotOn = 0x01c0, kSlotBlinking = 0x02c0, kSlotOff = 0x07c0;

TEST_F(PciDevicesTest, ADeviceGoesWhenTheGuestSwitchesItsSlotOff) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  devices_->OnRunning(true);
  WriteSlotControl(0, kSlotOn);
  ASSERT_EQ(HotAdd(PciRng("a", -1, "rp")), "added");
  EXPECT_EQ(Where("a"), "rp 0");
  EXPECT_EQ(Unplug("a"), "asked");
  EXPECT_EQ(Where("a"), "rp 0");
  EXPECT_EQ(Unplug("a"), "Device a is already in the process of unplug");
  EXPECT_EQ(TakeGone(), "");
  WriteSlotControl(0, kSlotBlinking);
  WriteSlotControl(0, kSlotOff);
  EXPECT_EQ(TakeGone(), "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a ");
  EXPECT_EQ(Where("a"), "nowhere");
  EXPECT_EQ(Unplug("a"), "Device 'a' not found");
  // Everything is free again.
  EXPECT_EQ(HotAdd(PciRng("a", 0, "rp")), "added");
}

TEST_F(PciDevicesTest, ASlotThatIsOffGivesItsDeviceAtOnce) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  WriteSlotControl(0, kSlotOff);
  ASSERT_EQ(HotAdd(PciRng("", -1, "rp")), "added");
  EXPECT_EQ(Unplug("/machine/peripheral-anon/device[0]"), "asked");
  EXPECT_EQ(TakeGone(),
            "[]/machine/peripheral-anon/device[0]/virtio-backend "
            "[]/machine/peripheral-anon/device[0] ");
  // Its number is not given again.
  ASSERT_EQ(HotAdd(PciRng("", -1, "rp")), "added");
  EXPECT_EQ(Unplug("/machine/peripheral-anon/device[0]"),
            "Device '/machine/peripheral-anon/device[0]' not found");
}

TEST_F(PciDevicesTest, AResetTakesWhatTheGuestDidNotGive) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  ASSERT_EQ(ErrorOf(PciRng("a", -1, "rp")), "added");
  ASSERT_EQ(ErrorOf(Port("other", 2)), "added");
  ASSERT_EQ(ErrorOf(PciRng("b", -1, "other")), "added");
  EXPECT_EQ(Unplug("a"), "asked");
  devices_->Reset();
  host_.Reset();
  EXPECT_EQ(TakeGone(), "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a ");
  EXPECT_EQ(Where("b"), "other 0");
}

TEST_F(PciDevicesTest, AResetTakesWhatIsBehindTheNewestPortFirst) {
  ASSERT_EQ(ErrorOf(Port("first", 1)), "added");
  ASSERT_EQ(ErrorOf(Port("second", 2)), "added");
  ASSERT_EQ(ErrorOf(Port("b", 3, "second")), "added");
  ASSERT_EQ(ErrorOf(Port("a", 4, "first")), "added");
  EXPECT_EQ(Unplug("a"), "asked");
  EXPECT_EQ(Unplug("b"), "asked");
  devices_->Reset();
  EXPECT_EQ(TakeGone(), "[b]/machine/peripheral/b [a]/machine/peripheral/a ");
}

TEST_F(PciDevicesTest, PortThatIsLetGoTakesAlongWhatIsBehindIt) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  ASSERT_EQ(ErrorOf(Port("inner", 2, "rp")), "added");
  ASSERT_EQ(ErrorOf(PciRng("a", -1, "inner")), "added");
  WriteSlotControl(0, kSlotOn);
  WriteSlotControl(0, kSlotOff);
  EXPECT_EQ(TakeGone(),
            "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a "
            "[inner]/machine/peripheral/inner ");
  EXPECT_EQ(Where("a"), "nowhere");
  EXPECT_EQ(Where("inner"), "nowhere");
}

TEST_F(PciDevicesTest, PortComesAndGoesBehindAPortWithWhatIsBehindIt) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  devices_->OnRunning(true);
  EXPECT_EQ(HotAdd(Port("inner", 1, "rp")), "Can't add chassis slot, error -16");
  EXPECT_EQ(Where("inner"), "nowhere");
  for (int round = 0; round < 2; ++round) {
    ASSERT_EQ(HotAdd(Port("inner", 2, "rp")), "added");
    ASSERT_EQ(HotAdd(PciRng("a", -1, "inner")), "added");
    EXPECT_EQ(Where("inner"), "rp 0");
    EXPECT_EQ(Where("a"), "inner 0");
    WriteSlotControl(0, kSlotOn);
    EXPECT_EQ(Unplug("inner"), "asked");
    EXPECT_EQ(TakeGone(), "");
    WriteSlotControl(0, kSlotOff);
    EXPECT_EQ(TakeGone(),
              "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a "
              "[inner]/machine/peripheral/inner ");
    EXPECT_EQ(Where("a"), "nowhere");
    EXPECT_EQ(HotAdd(PciRng("a", -1, "inner")), "Bus 'inner' not found");
  }
}

TEST_F(PciDevicesTest, CardThatComesAfterTheSlotWasEmptiedStays) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  devices_->OnRunning(true);
  WriteSlotControl(0, kSlotOn);
  ASSERT_EQ(HotAdd(PciRng("a", -1, "rp")), "added");
  WriteSlotControl(0, kSlotOff);
  // The client is faster than what the guest's write has posted.
  ASSERT_EQ(Unplug("a"), "asked");
  ASSERT_EQ(HotAdd(PciRng("b", -1, "rp")), "added");
  EXPECT_EQ(TakeGone(), "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a ");
  EXPECT_EQ(Where("b"), "rp 0");
}

TEST_F(AcpiPciDevicesTest, SlotThatIsNotThereEjectsNothing) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  ASSERT_EQ(HotAdd(PciRng("a", -1, "rp")), "added");
  Eject(5);
  EXPECT_EQ(TakeGone(), "");
  EXPECT_EQ(Where("a"), "rp 0");
}

// The client is faster than what the guest's ejection has posted.
TEST_F(AcpiPciDevicesTest, CardThatWasEjectedIsOutBeforeTheNext) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  devices_->OnRunning(true);
  ASSERT_EQ(HotAdd(PciRng("a", -1, "rp")), "added");
  Eject();
  ASSERT_EQ(Unplug("a"), "asked");
  EXPECT_EQ(Leaving(), 0u) << "it has gone: the guest is not asked for the next";
  EXPECT_EQ(Where("a"), "nowhere");
  ASSERT_EQ(HotAdd(PciRng("b", -1, "rp")), "added");
  Eject();
  // Not one of the slot that is let go.
  ASSERT_EQ(HotAdd(PciRng("c", 0, "rp")), "added");
  EXPECT_EQ(TakeGone(),
            "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a "
            "[]/machine/peripheral/b/virtio-backend [b]/machine/peripheral/b ");
  EXPECT_EQ(Where("c"), "rp 0");
}

// As in QEMU: the guest has no table that tells of such a slot.
TEST_F(AcpiPciDevicesTest, SlotOfAPortThatCameLaterIsNative) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  devices_->OnRunning(true);
  ASSERT_EQ(HotAdd(Port("inner", 2, "rp")), "added");
  const int told = asked;
  ASSERT_EQ(HotAdd(PciRng("a", -1, "inner")), "added");
  EXPECT_EQ(Unplug("a"), "asked");
  EXPECT_EQ(asked, told);
  EXPECT_EQ(TakeGone(), "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a ")
      << "nobody has switched its slot on";
  EXPECT_EQ(Unplug("inner"), "asked");
  EXPECT_EQ(asked, told + 1);
  Eject();
  EXPECT_EQ(TakeGone(), "[inner]/machine/peripheral/inner ");
}

// Its number stays in the tables that the guest has read.
TEST_F(AcpiPciDevicesTest, SlotOfAPortThatHasGoneEjectsNothing) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  ASSERT_EQ(ErrorOf(Port("inner", 2, "rp")), "added");
  ASSERT_EQ(ErrorOf(PciRng("a", -1, "inner")), "added");
  devices_->OnRunning(true);
  Eject();
  EXPECT_EQ(TakeGone(),
            "[]/machine/peripheral/a/virtio-backend [a]/machine/peripheral/a "
            "[inner]/machine/peripheral/inner ");
  bus::testing::Store(registers, 0x10, 4, 1);
  Eject();
  EXPECT_EQ(TakeGone(), "");
}

TEST_F(PciDevicesTest, FunctionsOfASlotGoTogether) {
  ASSERT_EQ(ErrorOf(Port("rp", 1)), "added");
  WriteSlotControl(0, kSlotOff);
  ASSERT_EQ(HotAdd(PciRng("f1", 1, "rp")), "added");
  ASSERT_EQ(HotAdd(PciRng("f2", 2, "rp")), "added");
  // Without function 0 none has a bond with the others.
  EXPECT_EQ(Unplug("f1"), "asked");
  EXPECT_EQ(TakeGone(), "[]/machine/peripheral/f1/virtio-backend [f1]/machine/peripheral/f1 ");
  EXPECT_EQ(HotAdd(PciRng("f0", 0, "rp")),
            "PCI: 0.0 indicates single function, but 0.2 is already populated.");
  control::DeviceSpec first = PciRng("f0", 0, "rp");
  Set(first, "multifunction", {true});
  ASSERT_EQ(HotAdd(first), "added");
  EXPECT_EQ(HotAdd(PciRng("f3", 3, "rp")),
            "PCI: slot 0 function 0 already occupied by virtio-rng-pci, new func virtio-rng-pci "
            "cannot be exposed to guest.");
  EXPECT_EQ(Unplug("f2"), "asked");
  EXPECT_EQ(TakeGone(),
            "[]/machine/peripheral/f0/virtio-backend [f0]/machine/peripheral/f0 "
            "[]/machine/peripheral/f2/virtio-backend [f2]/machine/peripheral/f2 ");
}

TEST_F(PciDevicesTest, PlacesWithoutHotPlugRefuse) {
  control::DeviceSpec fixed = Port("fixed", 1);
  Set(fixed, "hotplug", {false});
  ASSERT_EQ(ErrorOf(fixed), "added");
  ASSERT_EQ(ErrorOf(Port("rp", 2)), "added");
  ASSERT_EQ(ErrorOf(PciRng("a", -1, "fixed")), "added");
  EXPECT_EQ(HotAdd(PciRng("b")), "Bus 'pcie.0' does not support hotplugging");
  EXPECT_EQ(HotAdd(PciRng("b", 1, "fixed")),
            "Hot-plug failed: unsupported by the port device 'fixed'");
  EXPECT_EQ(Unplug("a"), "Hot-unplug failed: unsupported by the port device 'fixed'");
  EXPECT_EQ(Unplug("rp"), "Bus 'pcie.0' does not support hotplugging");
  EXPECT_EQ(Unplug(""), "Device '' not found");
  EXPECT_EQ(Where("b"), "nowhere");
  EXPECT_EQ(HotAdd(PciRng("b", -1, "rp")), "added");
  WriteSlotControl(1, kSlotBlinking);
  EXPECT_EQ(Unplug("b"), "Hot-unplug failed: guest is busy (power indicator blinking)");
}

TEST_F(DevicesTest, SlotsOfMicrovmAreForTheStartAlone) {
  ASSERT_EQ(ErrorOf(Rng("a")), "added");
  EXPECT_EQ(devices_->HotAdd(Rng("b")).error().message,
            "Bus 'virtio-mmio-bus.0' does not support hotplugging");
  EXPECT_EQ(devices_->Unplug("a").error().message,
            "Bus 'virtio-mmio-bus.1' does not support hotplugging");
}
}  // namespace
}  // namespace davit::machine
