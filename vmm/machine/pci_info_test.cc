// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Values of query-pci.
#include "vmm/machine/pci_info.h"

#include <gtest/gtest.h>

#include "vmm/pci/root_port.h"
#include "vmm/pci/testing/host_fixture.h"
#include "vmm/pci/testing/test_function.h"

namespace davit::machine {
namespace {

using PciInfoTest = pci::HostFixture;

TEST_F(PciInfoTest, HierarchyIsShownAsProgrammed) {
  pci::RootPort port({.function = {.driver = "pcie-root-port", .id = "rp"}, .bus_name = "rp"},
                     host_);
  pci::TestFunction child("child");
  child.With(0, pci::BarKind::kIo, 0x20).With(2, pci::BarKind::kMemory64, 0x4000);
  ASSERT_TRUE(host_.root().Attach(port, pci::Devfn(1, 0)));
  ASSERT_TRUE(port.secondary().Attach(child, std::nullopt));

  auto buses = DescribePci(host_);
  ASSERT_EQ(buses.size(), 1u);
  ASSERT_EQ(buses[0].devices.size(), 1u);
  const control::PciDevice& closed = buses[0].devices[0];
  EXPECT_EQ(closed.class_text, "PCI bridge");
  EXPECT_EQ(closed.id, "rp");
  EXPECT_FALSE(closed.subsystem);
  ASSERT_TRUE(closed.bridge);
  EXPECT_TRUE(closed.bridge->devices.empty());
  EXPECT_EQ(closed.bridge->memory.base, 0xfff00000u);
  EXPECT_EQ(closed.bridge->memory.limit, 0xfffffu);

  ConfigStore(0, pci::Devfn(1, 0), pci::kPrimaryBus, 0x00020100);
  ConfigStore(0, pci::Devfn(1, 0), pci::kMemoryBase, 0xe000e000);
  ConfigStore(0, pci::Devfn(1, 0), pci::kCommand, 7, 2);
  ConfigStore(1, 0, 0x18, 0xe0000000);
  ConfigStore(1, 0, pci::kCommand, 7, 2);
  ConfigStore(1, 0, pci::kInterruptLine, 11, 1);
  buses = DescribePci(host_);
  const control::PciBridge& open = *buses[0].devices[0].bridge;
  EXPECT_EQ(open.subordinate, 2);
  ASSERT_EQ(open.devices.size(), 1u);
  const control::PciDevice& device = open.devices[0];
  EXPECT_EQ(device.bus, 1);
  EXPECT_EQ(device.irq, 11);
  EXPECT_EQ(device.pin, 1);
  EXPECT_EQ(device.subsystem, 0x1100);
  ASSERT_EQ(device.regions.size(), 2u);
  EXPECT_TRUE(device.regions[0].io);
  EXPECT_EQ(device.regions[0].address, std::nullopt);
  EXPECT_TRUE(device.regions[1].wide);
  EXPECT_EQ(device.regions[1].address, 0xe0000000u);

  port.secondary().Detach(child);
  host_.root().Detach(port);
}

}  // namespace
}  // namespace davit::machine
