// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Where devices are on the q35's PCI bus and which lines they pull: functions of one slot, explicit
// and automatic places, INTx of each slot, BARs above 4 GiB, registers by the window in
// configuration space. Runs on QEMU, too.
#include <gtest/gtest.h>

#include "tests/support/virtio/transports.h"
#include "tests/support/virtio/virtio.h"

namespace davit::qtest {
namespace {

TEST(PciQtest, FunctionsShareASlot) {
  Machine m({"-M", "q35", "-device", "virtio-rng-pci,addr=5.0,multifunction=on", "-device",
             "virtio-rng-pci,addr=5.7", "-device", "virtio-rng-pci,addr=6"});
  const std::vector<Bdf> places = PciFunctionsOf(m, virtio::kIdRng);
  EXPECT_EQ(places, (std::vector<Bdf>{{0, 5, 0}, {0, 5, 7}, {0, 6, 0}}));
  EXPECT_EQ(PciRead(m, {0, 5, 0}, kPciHeader, 1), 0x80U);
  EXPECT_EQ(PciRead(m, {0, 6, 0}, kPciHeader, 1), 0U);
  for (size_t i = 0; i < places.size(); ++i) {
    const auto dev = FindVirtio(m, virtio::kIdRng, i);
    ASSERT_TRUE(dev->Start());
    EXPECT_TRUE(dev->queue(0).Do(Request().Writable(8))) << i;
    EXPECT_TRUE(m.WaitFor([&] { return dev->queue(0).TakeInterrupt(); })) << i;
  }
}

// Explicit places are taken; the others get the first free slots in the order of the options.
TEST(PciQtest, DevicesWithoutAPlaceGetTheFirstFreeSlots) {
  Machine m({"-M", "q35", "-device", "virtio-rng-pci,id=first", "-device",
             "virtio-serial-pci,addr=2", "-device", "virtio-balloon-pci", "-device",
             "pcie-root-port,id=rp", "-device", "virtio-scsi-pci,bus=rp"});
  EXPECT_EQ(PciFunctionsOf(m, virtio::kIdRng), (std::vector<Bdf>{{0, 1, 0}}));
  EXPECT_EQ(PciFunctionsOf(m, virtio::kIdConsole), (std::vector<Bdf>{{0, 2, 0}}));
  EXPECT_EQ(PciFunctionsOf(m, virtio::kIdBalloon), (std::vector<Bdf>{{0, 3, 0}}));
  EXPECT_EQ(PciFind(m, 0x1b36, 0x000c), (std::vector<Bdf>{{0, 4, 0}}));
  EXPECT_EQ(PciFunctionsOf(m, virtio::kIdScsi), (std::vector<Bdf>{{1, 0, 0}}));
}

// Every slot has a line of its own among four, and behind a port its own again.
TEST(PciQtest, InterruptPinsRotateOverTheLines) {
  std::vector<std::string> args = {
      "-M", "q35", "-device", "pcie-root-port,id=rp,addr=9", "-device", "virtio-rng-pci,bus=rp"};
  for (const char* slot : {"4", "5", "6", "7"}) {
    args.insert(args.end(), {"-device", std::string("virtio-rng-pci,addr=") + slot});
  }
  Machine m(args);
  m.InterceptIoapic();
  // The slots', then the one behind the port at slot 9.
  constexpr unsigned kLines[] = {20, 21, 22, 23, 21};
  for (size_t i = 0; i < std::size(kLines); ++i) {
    const auto dev = FindVirtio(m, virtio::kIdRng, i, false);
    ASSERT_TRUE(dev->Start());
    ASSERT_TRUE(dev->queue(0).Do(Request().Writable(8)));
    EXPECT_TRUE(m.WaitFor([&] { return m.Line(kLines[i]); })) << i;
    for (unsigned gsi = 16; gsi < 24; ++gsi) EXPECT_EQ(m.Line(gsi), gsi == kLines[i]) << i;
    EXPECT_TRUE(dev->queue(0).TakeInterrupt());
    EXPECT_FALSE(m.Line(kLines[i])) << i;
  }
}

TEST(PciQtest, ABarIsDecodedAboveFourGiB) {
  Machine m({"-M", "q35", "-m", "128", "-device", "virtio-rng-pci,addr=4"});
  const auto dev = FindVirtio(m, virtio::kIdRng);
  auto& pci = dynamic_cast<VirtioPci&>(*dev);
  PciFunction& function = pci.function();
  const uint64_t old = function.bar(4), high = uint64_t{0x12} << 32;
  ASSERT_EQ(function.Read(kPciBar0 + 16, 1) & 6U, 4U) << "BAR 4 is one of 64 bits";
  dev->SetStatus(1);
  function.Write(kPciBar0 + 16, 4, static_cast<uint32_t>(high));
  function.Write(kPciBar0 + 20, 4, static_cast<uint32_t>(high >> 32));
  const uint64_t status = pci.Structure(1) - old + 0x14;
  EXPECT_EQ(m.Read(high + status, 1), 1U);
  m.Write(high + status, 1, 3);
  EXPECT_EQ(m.Read(high + status, 1), 3U);
  EXPECT_NE(m.Read(old + status, 1), 3U) << "where it was";
}

// virtio 1.2, 4.1.4.9: the capability is a window to the registers.
TEST(PciQtest, RegistersAreReachedThroughConfigurationSpace) {
  Machine m({"-M", "q35", "-device", "virtio-rng-pci,addr=4"});
  const auto dev = FindVirtio(m, virtio::kIdRng);
  PciFunction& function = dynamic_cast<VirtioPci&>(*dev).function();
  std::optional<uint8_t> window, common;
  for (size_t nth = 0; const auto at = function.Capability(kPciCapVendor, nth); ++nth) {
    const uint32_t type = function.Read(*at + 3U, 1);
    if (type == 1) common = at;
    if (type == 5) window = at;
  }
  ASSERT_TRUE(window && common);
  function.Write(*window + 4U, 1, function.Read(*common + 4U, 1));
  function.Write(*window + 8U, 4, function.Read(*common + 8U, 4) + 0x14);  // device_status
  function.Write(*window + 12U, 4, 1);
  function.Write(*window + 16U, 1, 3);
  EXPECT_EQ(dev->Status(), 3);
  dev->SetStatus(0);
  EXPECT_EQ(function.Read(*window + 16U, 1), 0U);
}

}  // namespace
}  // namespace davit::qtest
