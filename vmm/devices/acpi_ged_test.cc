// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of AcpiGed.
#include "vmm/devices/acpi_ged.h"

#include <gtest/gtest.h>

#include <array>

#include "vmm/base/endian.h"
#include "vmm/irq/recording_irq_line.h"

namespace davit::devices {
namespace {

class AcpiGedTest : public testing::Test {
 protected:
  uint32_t ReadEvents(size_t size = 4, uint64_t offset = 0) {
    std::array<uint8_t, 8> data;
    data.fill(0xcc);
    ged_.event_window().Read(offset, std::span(data).first(size));
    return static_cast<uint32_t>(LoadLe(data.data(), size));
  }
  void WriteReg(uint64_t offset, uint8_t value) {
    ged_.regs_window().Write(offset, std::span(&value, 1));
  }

  int power_offs_ = 0, resets_ = 0;
  irq::RecordingIrqLine irq_;
  AcpiGed ged_{irq_, {[this] { ++power_offs_; }, [this] { ++resets_; }}};
};

TEST_F(AcpiGedTest, PowerButtonIsAnEdgeAndABitThatReadingClears) {
  ged_.PressPowerButton();
  EXPECT_EQ(irq_.rises(), 1);
  EXPECT_FALSE(irq_.level());
  EXPECT_EQ(ReadEvents(), 2u);
  EXPECT_EQ(ReadEvents(), 0u);
}

TEST_F(AcpiGedTest, EventsGatherUntilRead) {
  ged_.Signal(AcpiGed::kEventMemoryHotplug);
  ged_.PressPowerButton();
  EXPECT_EQ(ReadEvents(), 3u);
}

TEST_F(AcpiGedTest, PartialReadGivesZeroAndKeepsTheEvent) {
  ged_.PressPowerButton();
  EXPECT_EQ(ReadEvents(1), 0u);
  EXPECT_EQ(ReadEvents(2, 1), 0u);
  EXPECT_EQ(ReadEvents(), 2u);
}

TEST_F(AcpiGedTest, WriteToTheEventRegisterDoesNothing) {
  ged_.PressPowerButton();
  const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};
  ged_.event_window().Write(0, ones);
  EXPECT_EQ(ged_.pending(), 2u);
}

TEST_F(AcpiGedTest, SleepTypeFiveWithEnableIsPowerOff) {
  WriteReg(0, (5 << 2) | 0x20);
  EXPECT_EQ(power_offs_, 1);
}

TEST_F(AcpiGedTest, OtherSleepValuesAreIgnored) {
  for (int value = 0; value < 256; ++value) {
    if ((value & 0x3c) != ((5 << 2) | 0x20)) WriteReg(0, static_cast<uint8_t>(value));
  }
  EXPECT_EQ(power_offs_, 0);
}

TEST_F(AcpiGedTest, ResetNeedsItsValue) {
  for (int value = 0; value < 256; ++value) {
    if (value != 0x42) WriteReg(2, static_cast<uint8_t>(value));
  }
  EXPECT_EQ(resets_, 0);
  WriteReg(2, 0x42);
  EXPECT_EQ(resets_, 1);
}

TEST_F(AcpiGedTest, WideAndStrayAccessesToTheRegistersDoNothing) {
  const uint8_t wide[2] = {0x34, 0x42};
  ged_.regs_window().Write(0, wide);
  WriteReg(1, 0x42);
  WriteReg(77, 0x42);
  uint8_t data[2] = {0xff, 0xff};
  ged_.regs_window().Read(0, data);
  EXPECT_EQ(data[0] | data[1], 0);
  EXPECT_EQ(power_offs_ + resets_, 0);
}

TEST_F(AcpiGedTest, ResetForgetsEvents) {
  ged_.PressPowerButton();
  ged_.Reset();
  EXPECT_EQ(ReadEvents(), 0u);
}

}  // namespace
}  // namespace davit::devices
