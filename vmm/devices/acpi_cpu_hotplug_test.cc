// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The registers of CPU hot-plug. The values are those of QEMU 7.2, whose ports were read and
// written in the same order by its monitor.
#include "vmm/devices/acpi_cpu_hotplug.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "vmm/bus/testing/registers.h"

namespace davit::devices {
namespace {

class AcpiCpuHotplugTest : public testing::Test {
 protected:
  AcpiCpuHotplugTest() {
    for (uint32_t i = 0; i < 3; ++i) device_.Plug(i, false);
  }
  uint32_t In(uint64_t offset, size_t size = 1) {
    return static_cast<uint32_t>(bus::testing::Load(device_, offset, size));
  }
  void Out(uint64_t offset, uint32_t value, size_t size = 1) {
    bus::testing::Store(device_, offset, size, value);
  }
  void Select(uint32_t index) { Out(0, index, 4); }
  // What the guest's ACPI code does first.
  void SwitchToModern() { Out(0, 0, 4); }

  std::string log_;
  // Cores of three, so that an APIC id is left out: CPU 3 has 4.
  AcpiCpuHotplug device_{{0, 1, 2, 4},
                         {[this] { log_ += "event "; },
                          [this](uint32_t i) { log_ += "eject " + std::to_string(i) + " "; },
                          [this](uint32_t i, const AcpiCpuHotplug::Cpu& cpu) {
                            log_ += "ost " + std::to_string(i) + " " +
                                    std::to_string(cpu.ost_status) + " ";
                          },
                          [this](uint32_t i) { log_ += "refused " + std::to_string(i) + " "; }}};
};

TEST_F(AcpiCpuHotplugTest, StartsAsABitmapByApicId) {
  EXPECT_EQ(In(0), 0x07u);
  EXPECT_EQ(In(0, 4), 0x07u);
  EXPECT_EQ(In(1), 0u);
  EXPECT_EQ(In(31), 0u);
  device_.Plug(3, true);
  EXPECT_EQ(In(0), 0x17u);
  EXPECT_EQ(log_, "event ");
}

TEST_F(AcpiCpuHotplugTest, OnlyAZeroAtTheStartSwitchesTheInterface) {
  Out(1, 0);
  Out(0, 1);
  Out(0, 7, 4);
  EXPECT_EQ(In(0), 0x07u);
  EXPECT_FALSE(device_.modern());
  SwitchToModern();
  EXPECT_TRUE(device_.modern());
  EXPECT_EQ(In(0, 4), 0u);
  EXPECT_EQ(In(12), 0xffu);
  EXPECT_EQ(In(12, 4), 0xffffffffu);
}

TEST_F(AcpiCpuHotplugTest, CpuPluggedBeforeTheSwitchIsJustThere) {
  device_.Plug(3, true);
  SwitchToModern();
  Select(3);
  EXPECT_EQ(In(4), 0x01u);
  EXPECT_EQ(In(4, 4), 0x01u);
}

TEST_F(AcpiCpuHotplugTest, PluggedCpuIsFoundByItsEvent) {
  SwitchToModern();
  device_.Plug(3, true);
  EXPECT_EQ(log_, "event ");
  Select(0);
  Out(5, 0);
  EXPECT_EQ(In(8, 4), 3u);
  EXPECT_EQ(In(4), 0x03u);
  Out(4, 2);
  EXPECT_EQ(In(4), 0x01u);
  Select(1);
  Out(5, 0);
  EXPECT_EQ(In(8, 4), 1u) << "the selector stays where no CPU has an event";
}

TEST_F(AcpiCpuHotplugTest, CommandsGiveIndexAndApicId) {
  SwitchToModern();
  Select(3);
  Out(5, 3);
  EXPECT_EQ(In(8, 4), 4u);
  EXPECT_EQ(In(0, 4), 0u);
  Out(5, 9);
  EXPECT_EQ(In(8, 4), 4u) << "no such command: the last one stands";
  Out(5, 0);
  EXPECT_EQ(In(8, 4), 3u);
}

TEST_F(AcpiCpuHotplugTest, SelectorBeyondTheLastCpuReadsZeroAndTakesNothing) {
  SwitchToModern();
  for (uint32_t index : {4u, 77u, 0xffffffffu}) {
    Select(index);
    EXPECT_EQ(In(4), 0u);
    EXPECT_EQ(In(8, 4), 0u);
    Out(4, 8);
    Out(5, 2);
    Out(8, 5, 4);
  }
  Select(2);
  EXPECT_EQ(In(8, 4), 2u) << "command 2 was not taken";
  EXPECT_EQ(log_, "");
}

TEST_F(AcpiCpuHotplugTest, RemovalIsAnEventThatTheGuestClears) {
  EXPECT_FALSE(device_.RequestRemoval(2)) << "the bitmap has no word for it";
  EXPECT_EQ(log_, "");
  SwitchToModern();
  EXPECT_TRUE(device_.RequestRemoval(2));
  EXPECT_TRUE(device_.RequestRemoval(2));
  EXPECT_EQ(log_, "event event ");
  Select(0);
  Out(5, 0);
  EXPECT_EQ(In(8, 4), 2u);
  EXPECT_EQ(In(4), 0x05u);
  Out(4, 2);
  EXPECT_EQ(In(4), 0x05u);
  Out(4, 4);
  EXPECT_EQ(In(4), 0x01u);
}

TEST_F(AcpiCpuHotplugTest, EjectedCpuIsGoneAtOnce) {
  SwitchToModern();
  Select(2);
  Out(4, 8);
  EXPECT_EQ(In(4), 0u);
  EXPECT_EQ(log_, "eject 2 ");
  Out(4, 8);
  EXPECT_EQ(log_, "eject 2 ") << "there is none any more";
  EXPECT_FALSE(device_.cpu(2).present);
}

TEST_F(AcpiCpuHotplugTest, FirstCpuCannotBeEjected) {
  SwitchToModern();
  Out(4, 8);
  Out(4, 16);
  EXPECT_EQ(In(4), 0x01u);
  EXPECT_EQ(log_, "");
}

TEST_F(AcpiCpuHotplugTest, LowestBitOfAWriteIsTheOneThatCounts) {
  SwitchToModern();
  Select(2);
  Out(4, 8 | 2);
  Out(4, 8 | 4);
  EXPECT_EQ(In(4), 0x01u);
  Out(4, 8, 2);
  EXPECT_EQ(In(4), 0u);
}

TEST_F(AcpiCpuHotplugTest, CpuLeftToFirmwareIsAnEventUntilItIsEjected) {
  SwitchToModern();
  Select(2);
  Out(4, 16);
  EXPECT_EQ(In(4), 0x11u);
  Select(0);
  Out(5, 0);
  EXPECT_EQ(In(8, 4), 2u);
  Out(4, 16);
  EXPECT_EQ(In(4), 0x01u);
  Out(4, 16);
  Out(4, 8);
  EXPECT_EQ(In(4), 0u);
}

TEST_F(AcpiCpuHotplugTest, CpuThatComesAgainHasNoOldRemoval) {
  SwitchToModern();
  device_.RequestRemoval(2);
  Select(2);
  Out(4, 8);
  EXPECT_EQ(In(4), 0x04u);
  device_.Plug(2, true);
  EXPECT_EQ(In(4), 0x03u);
}

TEST_F(AcpiCpuHotplugTest, RefusalIsToldOnceToWhoAsked) {
  device_.Plug(1, false);
  SwitchToModern();
  const auto report = [this](uint32_t source, uint32_t status) {
    log_.clear();
    Select(1);
    Out(5, 1);
    Out(8, source, 4);
    Out(5, 2);
    Out(8, status, 4);
    return log_;
  };
  EXPECT_EQ(report(3, 0x82), "ost 1 130 ") << "nobody has asked";
  device_.RequestRemoval(1);
  EXPECT_EQ(report(3, 0x84), "ost 1 132 ") << "under way";
  EXPECT_EQ(report(1, 0x82), "ost 1 130 ") << "of something else";
  EXPECT_EQ(report(3, 0x82), "ost 1 130 refused 1 ");
  EXPECT_EQ(report(3, 0x82), "ost 1 130 ");
  device_.RequestRemoval(1);
  Out(4, 8);
  EXPECT_EQ(report(3, 1), "ost 1 1 ") << "it was ejected";
}

TEST_F(AcpiCpuHotplugTest, OstIsReportedWithItsStatus) {
  SwitchToModern();
  Select(1);
  Out(5, 1);
  Out(8, 3, 4);
  EXPECT_EQ(log_, "");
  Out(5, 2);
  Out(8, 0x82, 4);
  EXPECT_EQ(log_, "ost 1 130 ");
  EXPECT_EQ(device_.cpu(1).ost_event, 3u);
  EXPECT_EQ(device_.cpu(1).ost_status, 0x82u);
}

TEST_F(AcpiCpuHotplugTest, WideAndStrayAccessesDoNothing) {
  SwitchToModern();
  std::array<uint8_t, 8> data{};
  data.fill(0xff);
  device_.Write(0, data);
  for (uint64_t offset : {1, 2, 3, 6, 7, 9, 11, 12, 31}) Out(offset, 0xff);
  EXPECT_EQ(In(8, 4), 0u);
  EXPECT_EQ(In(4), 0x01u);
  EXPECT_EQ(log_, "");
}

}  // namespace
}  // namespace davit::devices
