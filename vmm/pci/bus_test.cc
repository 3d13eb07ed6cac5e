// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Placement on buses, in QEMU's words, and addresses.
#include "vmm/pci/bus.h"

#include <gtest/gtest.h>

#include "vmm/pci/address.h"
#include "vmm/pci/root_port.h"
#include "vmm/pci/testing/host_fixture.h"
#include "vmm/pci/testing/test_function.h"

namespace davit::pci {
namespace {

class PlacementTest : public HostFixture {
 protected:
  std::string ErrorOf(Function& function, std::optional<uint8_t> devfn) {
    const Status status = host_.root().Attach(function, devfn);
    if (!status) return status.error().message;
    host_.root().Detach(function);
    return "";
  }
};

TEST_F(PlacementTest, FirstFreeSlotIsTaken) {
  TestFunction a, b, c;
  ASSERT_TRUE(host_.root().Attach(a, Devfn(0, 0)));
  ASSERT_TRUE(host_.root().Attach(b, std::nullopt));
  ASSERT_TRUE(host_.root().Attach(c, std::nullopt));
  EXPECT_EQ(b.devfn(), Devfn(1, 0));
  EXPECT_EQ(c.devfn(), Devfn(2, 0));
  host_.root().Detach(b);
  ASSERT_TRUE(host_.root().Attach(b, std::nullopt));
  EXPECT_EQ(b.devfn(), Devfn(1, 0));
  for (Function* f : {&a, &b, &c}) host_.root().Detach(*f);
}

TEST_F(PlacementTest, TakenSlotIsRefusedWithItsOwner) {
  TestFunction a("a", false, "virtio-rng-pci"), nameless("", false, "mch"), b("b");
  ASSERT_TRUE(host_.root().Attach(a, Devfn(3, 0)));
  ASSERT_TRUE(host_.root().Attach(nameless, Devfn(0, 0)));
  EXPECT_EQ(ErrorOf(b, Devfn(3, 0)),
            "PCI: slot 3 function 0 not available for test-pci, in use by virtio-rng-pci,id=a");
  EXPECT_EQ(ErrorOf(b, Devfn(0, 0)),
            "PCI: slot 0 function 0 not available for test-pci, in use by mch,id=(null)");
  host_.root().Detach(a);
  host_.root().Detach(nameless);
}

TEST_F(PlacementTest, FullBusIsRefused) {
  std::array<TestFunction, 32> all;
  for (TestFunction& one : all) ASSERT_TRUE(host_.root().Attach(one, std::nullopt));
  TestFunction more;
  EXPECT_EQ(ErrorOf(more, std::nullopt),
            "PCI: no slot/function available for test-pci, all in use or reserved");
  for (TestFunction& one : all) host_.root().Detach(one);
}

TEST_F(PlacementTest, FunctionsOfASlotFollowTheMultifunctionRules) {
  TestFunction single, multi("", true), second;
  ASSERT_TRUE(host_.root().Attach(single, Devfn(0x13, 0)));
  EXPECT_EQ(ErrorOf(second, Devfn(0x13, 1)),
            "PCI: single function device can't be populated in function 13.1");
  host_.root().Detach(single);
  ASSERT_TRUE(host_.root().Attach(second, Devfn(0x13, 1)));
  EXPECT_EQ(ErrorOf(single, Devfn(0x13, 0)),
            "PCI: 13.0 indicates single function, but 13.1 is already populated.");
  EXPECT_EQ(ErrorOf(multi, Devfn(0x13, 0)), "");
  host_.root().Detach(second);
  ASSERT_TRUE(host_.root().Attach(multi, Devfn(0x13, 0)));
  EXPECT_EQ(ErrorOf(second, Devfn(0x13, 1)), "");
  EXPECT_EQ(ConfigLoad(0, Devfn(0x13, 0), kHeaderType, 1), 0x80u);
  host_.root().Detach(multi);
}

TEST_F(PlacementTest, FunctionsAreHiddenUntilFunctionZeroIsThere) {
  TestFunction second;
  ASSERT_TRUE(host_.root().Attach(second, Devfn(3, 1)));
  EXPECT_EQ(ConfigLoad(0, Devfn(3, 1), kVendorId), 0xffffffffu);
  TestFunction first("", true);
  ASSERT_TRUE(host_.root().Attach(first, Devfn(3, 0)));
  EXPECT_EQ(ConfigLoad(0, Devfn(3, 1), kVendorId), 0x10f01af4u);
  host_.root().Detach(first);
  host_.root().Detach(second);
}

TEST_F(PlacementTest, PortHasOneSlot) {
  RootPort port({.function = {.driver = "pcie-root-port", .id = "rp"}, .bus_name = "rp"}, host_);
  ASSERT_TRUE(host_.root().Attach(port, std::nullopt));
  Bus* behind = host_.FindBus("rp");
  ASSERT_EQ(behind, &port.secondary());
  TestFunction a, b;
  ASSERT_TRUE(behind->Attach(a, std::nullopt));
  EXPECT_EQ(behind->Attach(b, std::nullopt).error().message,
            "PCI: no slot/function available for test-pci, all in use or reserved");
  EXPECT_EQ(behind->Attach(b, Devfn(1, 0)).error().message,
            "PCI: slot 1 is not valid for test-pci, parent device only allows plugging into slot "
            "0.");
  behind->Detach(a);
  host_.root().Detach(port);
}

TEST_F(PlacementTest, BusesAndDevicesAreFoundByName) {
  TestFunction a("a");
  ASSERT_TRUE(host_.root().Attach(a, std::nullopt));
  EXPECT_EQ(host_.FindBus("pcie.0"), &host_.root());
  EXPECT_EQ(host_.FindBus("pcie.9"), nullptr);
  EXPECT_EQ(host_.FindFunction("a"), &a);
  EXPECT_EQ(host_.FindFunction(""), nullptr);
  host_.root().Detach(a);
}

TEST(AddressTest, SlotAndFunctionAreHexadecimal) {
  EXPECT_EQ(ParseAddress("3"), Devfn(3, 0));
  EXPECT_EQ(ParseAddress("1f.7"), Devfn(31, 7));
  EXPECT_EQ(ParseAddress("0x3.0x1"), Devfn(3, 1));
  EXPECT_EQ(ParseAddress("03.0"), Devfn(3, 0));
}

TEST(AddressTest, MalformedAddressesAreRefused) {
  for (const char* text : {"", "zz", "3.", "3.8", "20", "-1", "3.1.1", ".1", "3 ", "0x"}) {
    EXPECT_EQ(ParseAddress(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace davit::pci
