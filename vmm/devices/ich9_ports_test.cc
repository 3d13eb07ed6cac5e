// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of the small ports of the q35.
#include "vmm/devices/ich9_ports.h"

#include <gtest/gtest.h>

#include <optional>

namespace davit::devices {
namespace {

uint8_t Read(bus::BusDevice& device, uint64_t offset = 0) {
  uint8_t byte = 0xcc;
  device.Read(offset, std::span(&byte, 1));
  return byte;
}
void Write(bus::BusDevice& device, uint8_t value, uint64_t offset = 0) {
  device.Write(offset, std::span(&value, 1));
}

TEST(ResetControl, BitTwoResetsAndTheKindIsKept) {
  int resets = 0;
  ResetControl port([&] { ++resets; });
  Write(port, 0xfb);
  EXPECT_EQ(resets, 0);
  EXPECT_EQ(Read(port), 0x0a);
  Write(port, 0x0f);
  Write(port, 0x06);
  EXPECT_EQ(resets, 2);
  EXPECT_EQ(Read(port), 0x0a);
  port.Reset();
  EXPECT_EQ(Read(port), 0);
}

TEST(Port92, BitZeroResetsOnItsRise) {
  int resets = 0;
  Port92 port([&] { ++resets; });
  Write(port, 0x02);
  EXPECT_EQ(resets, 0);
  EXPECT_EQ(Read(port), 0x02);
  Write(port, 0x03);
  Write(port, 0x01);
  EXPECT_EQ(resets, 1);
  Write(port, 0x00);
  Write(port, 0x01);
  EXPECT_EQ(resets, 2);
}

TEST(ApmPorts, CommandsSwitchAcpiModeAndAreKept) {
  std::optional<bool> acpi;
  ApmPorts ports([&](bool on) { acpi = on; });
  Write(ports, 0x02);
  EXPECT_EQ(acpi, true);
  Write(ports, 0x03);
  EXPECT_EQ(acpi, false);
  Write(ports, 0x55, 1);
  acpi.reset();
  Write(ports, 0x77);
  EXPECT_FALSE(acpi);
  EXPECT_EQ(Read(ports), 0x77);
  EXPECT_EQ(Read(ports, 1), 0x55);
}

TEST(ElcrPorts, OnlyLinesThatMayBeLevelAreKept) {
  ElcrPorts ports;
  Write(ports, 0xff, 0);
  Write(ports, 0xff, 1);
  EXPECT_EQ(Read(ports, 0), 0xf8);
  EXPECT_EQ(Read(ports, 1), 0xde);
}

}  // namespace
}  // namespace davit::devices
