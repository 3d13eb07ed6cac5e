// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/devices/acpi_pci_hotplug.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "vmm/bus/testing/registers.h"

namespace davit::devices {
namespace {

class AcpiPciHotplugTest : public ::testing::Test {
 protected:
  AcpiPciHotplugTest() {
    for (uint32_t bus = 0; bus < 2; ++bus) {
      const uint32_t number =
          ports_.AddBus([this, bus](uint32_t slot) { ejected_.emplace_back(bus, slot); });
      EXPECT_EQ(number, bus);
    }
  }
  uint32_t Read(uint64_t offset) {
    return static_cast<uint32_t>(bus::testing::Load(ports_, offset, 4));
  }
  void Write(uint64_t offset, uint32_t value) { bus::testing::Store(ports_, offset, 4, value); }

  int raised_ = 0;
  std::vector<std::pair<uint32_t, uint32_t>> ejected_;
  AcpiPciHotplug ports_{[this] { ++raised_; }};
};

TEST_F(AcpiPciHotplugTest, CardThatCameIsToldOnce) {
  ports_.Plug(1, 3);
  EXPECT_EQ(raised_, 1);
  EXPECT_EQ(Read(0x00), 0u) << "another bus";
  Write(0x10, 1);
  EXPECT_EQ(Read(0x10), 1u);
  EXPECT_EQ(Read(0x00), 8u);
  EXPECT_EQ(Read(0x00), 0u);
}

TEST_F(AcpiPciHotplugTest, CardThatShallGoIsShownUntilItIsEjected) {
  ports_.RequestEject(0, 0);
  ports_.RequestEject(0, 5);
  EXPECT_EQ(raised_, 2);
  EXPECT_EQ(Read(0x04), 0x21u);
  EXPECT_EQ(Read(0x04), 0x21u);
  Write(0x08, 0x21);  // the lowest alone
  EXPECT_EQ(Read(0x04), 0x20u);
  Write(0x08, 0x20);
  EXPECT_EQ(Read(0x04), 0u);
  EXPECT_EQ(ejected_, (std::vector<std::pair<uint32_t, uint32_t>>{{0, 0}, {0, 5}}));
}

TEST_F(AcpiPciHotplugTest, CardThatCameIsNotAskedForByWhatWasWantedOfTheOneBefore) {
  ports_.RequestEject(0, 2);
  ports_.Plug(0, 2);
  EXPECT_EQ(Read(0x04), 0u);
  EXPECT_EQ(Read(0x00), 4u);
}

TEST_F(AcpiPciHotplugTest, GuestMayEjectUnasked) {
  ports_.Plug(1, 31);
  Write(0x10, 1);
  Write(0x08, 0x80000000);
  EXPECT_EQ(ejected_, (std::vector<std::pair<uint32_t, uint32_t>>{{1, 31}}));
  EXPECT_EQ(Read(0x00), 0u) << "it is gone before it was looked for";
}

TEST_F(AcpiPciHotplugTest, BusThatIsNotThereReadsZeroAndEjectsNothing) {
  ports_.Plug(0, 0);
  for (const uint32_t bus : {2u, 0xffffffffu}) {
    Write(0x10, bus);
    EXPECT_EQ(Read(0x10), bus);
    for (const uint64_t offset : {0x00, 0x04, 0x08, 0x0c, 0x14}) EXPECT_EQ(Read(offset), 0u);
    Write(0x08, 1);
  }
  Write(0x10, 0);
  Write(0x08, 0);
  EXPECT_TRUE(ejected_.empty());
  EXPECT_EQ(Read(0x0c), 0xffffffffu);
}

TEST_F(AcpiPciHotplugTest, BusThatHasGoneReadsZeroAndEjectsNothing) {
  ports_.Plug(1, 0);
  ports_.RequestEject(1, 0);
  ports_.RemoveBus(1);
  EXPECT_EQ(ports_.AddBus([](uint32_t) {}), 2u) << "its number is not given again";
  Write(0x10, 1);
  for (const uint64_t offset : {0x00, 0x04, 0x08, 0x0c, 0x14}) EXPECT_EQ(Read(offset), 0u);
  Write(0x08, 1);
  EXPECT_TRUE(ejected_.empty());
}

TEST_F(AcpiPciHotplugTest, ResetForgetsEvents) {
  ports_.Plug(1, 0);
  ports_.RequestEject(1, 1);
  Write(0x10, 1);
  ports_.Reset();
  EXPECT_EQ(Read(0x10), 0u);
  Write(0x10, 1);
  EXPECT_EQ(Read(0x00), 0u);
  EXPECT_EQ(Read(0x04), 0u);
}

}  // namespace
}  // namespace davit::devices
