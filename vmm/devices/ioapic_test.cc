// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of the user-space IOAPIC.
#include "vmm/devices/ioapic.h"

#include <gtest/gtest.h>

#include "vmm/bus/testing/registers.h"

namespace davit::devices {
namespace {

class RecordingSink : public Ioapic::Sink {
 public:
  void Deliver(unsigned pin, const Ioapic::Message& message) override {
    delivered.push_back({pin, message});
  }
  void EntryChanged(unsigned pin, const Ioapic::Message& message) override {
    changed.push_back({pin, message});
  }
  std::vector<std::pair<unsigned, Ioapic::Message>> delivered, changed;
};

class IoapicTest : public testing::Test {
 protected:
  void Out(uint64_t offset, uint32_t value) { bus::testing::Store(ioapic_, offset, 4, value); }
  void SetRegister(uint8_t index, uint32_t value) {
    Out(0x00, index);
    Out(0x10, value);
  }
  uint32_t Register(uint8_t index) {
    Out(0x00, index);
    return static_cast<uint32_t>(bus::testing::Load(ioapic_, 0x10, 4));
  }
  void SetEntry(unsigned pin, uint64_t entry) {
    SetRegister(static_cast<uint8_t>(0x11 + 2 * pin), static_cast<uint32_t>(entry >> 32));
    SetRegister(static_cast<uint8_t>(0x10 + 2 * pin), static_cast<uint32_t>(entry));
  }

  static constexpr uint64_t kLevel = 0x8000, kMasked = 0x10000;
  RecordingSink sink_;
  Ioapic ioapic_{sink_};
};

TEST_F(IoapicTest, AllPinsAreMaskedAfterReset) {
  EXPECT_EQ(Register(0x10), 0x10000u);
  EXPECT_EQ(Register(0x3e), 0x10000u);
  ioapic_.pin(3).Pulse();
  EXPECT_TRUE(sink_.delivered.empty());
}

TEST_F(IoapicTest, VersionRegisterTells24PinsAndTheEoiRegister) {
  EXPECT_EQ(Register(0x01), 0x00170020u);
}

TEST_F(IoapicTest, IdIsFourBits) {
  SetRegister(0, 0xff000000);
  EXPECT_EQ(Register(0), 0x0f000000u);
}

TEST_F(IoapicTest, EdgeIsDeliveredOnceForEachRise) {
  SetEntry(4, 0x0300000000000000ull | 0x31);
  ioapic_.pin(4).Set(true);
  ioapic_.pin(4).Set(true);
  ioapic_.pin(4).Set(false);
  ASSERT_EQ(sink_.delivered.size(), 1u);
  EXPECT_EQ(sink_.delivered[0].first, 4u);
  EXPECT_EQ(sink_.delivered[0].second.address, 0xfee03000u);
  EXPECT_EQ(sink_.delivered[0].second.data, 0x31u);
}

TEST_F(IoapicTest, LogicalLowestPriorityEntryKeepsItsModes) {
  SetEntry(4, 0x0100000000000000ull | 0x800 | 0x100 | 0x41);
  ioapic_.pin(4).Pulse();
  EXPECT_EQ(sink_.delivered[0].second.address, 0xfee01004u);
  EXPECT_EQ(sink_.delivered[0].second.data, 0x141u);
}

TEST_F(IoapicTest, EdgeOnAMaskedPinIsLost) {
  ioapic_.pin(4).Pulse();
  SetEntry(4, 0x31);
  EXPECT_TRUE(sink_.delivered.empty());
}

TEST_F(IoapicTest, LevelOnAMaskedPinIsDeliveredWhenUnmasked) {
  SetEntry(9, kLevel | kMasked | 0x50);
  ioapic_.pin(9).Set(true);
  EXPECT_TRUE(sink_.delivered.empty());
  SetEntry(9, kLevel | 0x50);
  ASSERT_EQ(sink_.delivered.size(), 1u);
  EXPECT_EQ(sink_.delivered[0].second.data, 0xc050u);
}

TEST_F(IoapicTest, LevelIsNotDeliveredAgainBeforeItsEoi) {
  SetEntry(9, kLevel | 0x50);
  ioapic_.pin(9).Set(true);
  ioapic_.pin(9).Set(false);
  ioapic_.pin(9).Set(true);
  EXPECT_EQ(sink_.delivered.size(), 1u);
  EXPECT_EQ(Register(0x10 + 18) & 0x4000, 0x4000u);
  ioapic_.EndOfInterrupt(0x50);
  EXPECT_EQ(sink_.delivered.size(), 2u);
}

TEST_F(IoapicTest, EoiOfALineThatHasFallenDeliversNothing) {
  SetEntry(9, kLevel | 0x50);
  ioapic_.pin(9).Set(true);
  ioapic_.pin(9).Set(false);
  ioapic_.EndOfInterrupt(0x50);
  EXPECT_EQ(sink_.delivered.size(), 1u);
  EXPECT_EQ(Register(0x10 + 18) & 0x4000, 0u);
}

TEST_F(IoapicTest, EoiOfAnotherVectorChangesNothing) {
  SetEntry(9, kLevel | 0x50);
  ioapic_.pin(9).Set(true);
  ioapic_.EndOfInterrupt(0x51);
  EXPECT_EQ(sink_.delivered.size(), 1u);
}

TEST_F(IoapicTest, EoiRegisterWorksAsTheBroadcast) {
  SetEntry(9, kLevel | 0x50);
  ioapic_.pin(9).Set(true);
  Out(0x40, 0x50);
  EXPECT_EQ(sink_.delivered.size(), 2u);
}

TEST_F(IoapicTest, OneEoiServesAllPinsOfItsVector) {
  SetEntry(9, kLevel | 0x50);
  SetEntry(10, kLevel | 0x50);
  ioapic_.pin(9).Set(true);
  ioapic_.pin(10).Set(true);
  ioapic_.EndOfInterrupt(0x50);
  EXPECT_EQ(sink_.delivered.size(), 4u);
}

TEST_F(IoapicTest, GuestCannotWriteRemoteIrr) {
  SetEntry(9, kLevel | 0x5000 | 0x50);
  EXPECT_EQ(Register(0x10 + 18), 0x8050u);
}

TEST_F(IoapicTest, SwitchToEdgeClearsRemoteIrr) {
  SetEntry(9, kLevel | 0x50);
  ioapic_.pin(9).Set(true);
  SetRegister(0x10 + 18, 0x10050);
  SetRegister(0x10 + 18, 0x8050);
  EXPECT_EQ(sink_.delivered.size(), 2u);
}

TEST_F(IoapicTest, ChangedEntriesAreAnnouncedOnce) {
  SetRegister(0x10 + 18, 0x8050);
  SetRegister(0x10 + 18, 0x8050);
  ASSERT_EQ(sink_.changed.size(), 1u);
  EXPECT_EQ(sink_.changed[0].first, 9u);
  EXPECT_TRUE(sink_.changed[0].second.level);
  EXPECT_FALSE(sink_.changed[0].second.masked);
}

TEST_F(IoapicTest, ResetMasksAllAndKeepsTheLines) {
  SetEntry(9, kLevel | 0x50);
  ioapic_.pin(9).Set(true);
  ioapic_.Reset();
  EXPECT_EQ(Register(0x10 + 18), 0x10000u);
  SetEntry(9, kLevel | 0x50);
  EXPECT_EQ(sink_.delivered.size(), 2u);
}

TEST_F(IoapicTest, UnknownRegistersReadZeroAndIgnoreWrites) {
  for (int index = 0; index < 256; ++index) {
    if (index <= 2 || (index >= 0x10 && index < 0x40)) continue;
    SetRegister(static_cast<uint8_t>(index), 0xffffffff);
    EXPECT_EQ(Register(static_cast<uint8_t>(index)), 0u);
  }
  EXPECT_EQ(ioapic_.state().lines, 0u);
}

TEST_F(IoapicTest, WindowAccessOfAnotherSizeReadsZeroAndWritesNothing) {
  Out(0, 0x10);
  const uint8_t ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  for (size_t size : {1, 2, 8}) {
    ioapic_.Write(0x10, std::span(ones).first(size));
    uint8_t data[8] = {0xcc};
    ioapic_.Read(0x10, std::span(data).first(size));
    EXPECT_EQ(data[0], 0);
  }
  EXPECT_EQ(Register(0x10), 0x10000u);
}

}  // namespace
}  // namespace davit::devices
