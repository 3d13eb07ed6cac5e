// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// BARs, command register and interrupt pin of a function.
#include "vmm/pci/function.h"

#include <gtest/gtest.h>

#include "vmm/pci/testing/host_fixture.h"
#include "vmm/pci/testing/test_function.h"

namespace davit::pci {
namespace {

constexpr uint8_t kAt = Devfn(4, 0);

class FunctionTest : public HostFixture {
 protected:
  FunctionTest() {
    function_.With(0, BarKind::kIo, 0x20)
        .With(1, BarKind::kMemory32, 0x1000)
        .With(2, BarKind::kMemory64, 0x4000);
    EXPECT_TRUE(host_.root().Attach(function_, kAt));
  }
  ~FunctionTest() override { host_.root().Detach(function_); }
  void SetCommand(uint16_t value) { ConfigStore(0, kAt, kCommand, value, 2); }

  TestFunction function_{"f"};
};

TEST_F(FunctionTest, SizingGivesTheSizeAndKind) {
  for (uint32_t bar : {0x10, 0x14, 0x18, 0x1c, 0x20}) ConfigStore(0, kAt, bar, 0xffffffff);
  EXPECT_EQ(ConfigLoad(0, kAt, 0x10), 0xffffffe1u);
  EXPECT_EQ(ConfigLoad(0, kAt, 0x14), 0xfffff000u);
  EXPECT_EQ(ConfigLoad(0, kAt, 0x18), 0xffffc004u);
  EXPECT_EQ(ConfigLoad(0, kAt, 0x1c), 0xffffffffu);
  EXPECT_EQ(ConfigLoad(0, kAt, 0x20), 0u);
}

TEST_F(FunctionTest, BarDecodesOnlyWhileEnabled) {
  ConfigStore(0, kAt, 0x14, 0xe0000000);
  EXPECT_EQ(Load(mmio_, 0xe0000010, 1), 0xffu);
  SetCommand(kCommandIo);
  EXPECT_EQ(Load(mmio_, 0xe0000010, 1), 0xffu);
  SetCommand(kCommandMemory);
  EXPECT_EQ(Load(mmio_, 0xe0000010, 4), 0x13121110u);
  SetCommand(0);
  EXPECT_EQ(Load(mmio_, 0xe0000010, 1), 0xffu);
}

TEST_F(FunctionTest, IoAndWideBarsDecode) {
  ConfigStore(0, kAt, 0x10, 0xc001);
  ConfigStore(0, kAt, 0x18, 0x0000000c);
  ConfigStore(0, kAt, 0x1c, 0x8);
  SetCommand(kCommandIo | kCommandMemory);
  EXPECT_EQ(Load(ports_, 0xc011, 1), 0x11u);
  EXPECT_EQ(Load(mmio_, 0x800000021, 1), 0x21u);
}

TEST_F(FunctionTest, MovingABarReleasesTheOldPlace) {
  ConfigStore(0, kAt, 0x14, 0xe0000000);
  SetCommand(kCommandMemory);
  ConfigStore(0, kAt, 0x14, 0xe0100000);
  EXPECT_EQ(Load(mmio_, 0xe0000010, 1), 0xffu);
  EXPECT_EQ(Load(mmio_, 0xe0100010, 1), 0x10u);
}

TEST_F(FunctionTest, SizingWhileEnabledMapsNothingUnfit) {
  SetCommand(kCommandIo | kCommandMemory);
  for (uint32_t bar : {0x10, 0x14, 0x18, 0x1c}) ConfigStore(0, kAt, bar, 0xffffffff);
  EXPECT_FALSE(function_.Mapped(0));
  EXPECT_FALSE(function_.Mapped(1));
  EXPECT_FALSE(function_.Mapped(2));
  for (uint32_t bar : {0x10, 0x14, 0x18, 0x1c}) ConfigStore(0, kAt, bar, 0);
  EXPECT_FALSE(function_.Mapped(0));
  EXPECT_FALSE(function_.Mapped(1));
  EXPECT_FALSE(function_.Mapped(2));
}

TEST_F(FunctionTest, BarOverRamDecodesNowhere) {
  ConfigStore(0, kAt, 0x14, kRam + 0x1000);
  SetCommand(kCommandMemory);
  EXPECT_FALSE(function_.Mapped(1));
  ConfigStore(0, kAt, 0x14, kRam + kRamSize);
  EXPECT_TRUE(function_.Mapped(1));
}

TEST_F(FunctionTest, BarOverTheEcamWindowDecodesNowhere) {
  ConfigStore(0, kAt, 0x14, kEcam);
  SetCommand(kCommandMemory);
  EXPECT_FALSE(function_.Mapped(1));
  EXPECT_EQ(ConfigLoad(0, kAt, kVendorId, 2), 0x1af4u);
}

TEST_F(FunctionTest, RefusedBarDecodesOnceTheObstacleMoves) {
  TestFunction other("other");
  other.With(0, BarKind::kMemory32, 0x1000);
  ASSERT_TRUE(host_.root().Attach(other, Devfn(5, 0)));
  ConfigStore(0, kAt, 0x14, 0xe0000000);
  SetCommand(kCommandMemory);
  ConfigStore(0, Devfn(5, 0), 0x10, 0xe0000000);
  ConfigStore(0, Devfn(5, 0), kCommand, kCommandMemory, 2);
  EXPECT_FALSE(other.Mapped(0));
  ConfigStore(0, kAt, 0x14, 0xe0100000);
  EXPECT_EQ(other.Mapped(0), 0xe0000000u);
  // The same when it is taken away.
  ConfigStore(0, kAt, 0x14, 0xe0000000);
  EXPECT_FALSE(function_.Mapped(1));
  host_.root().Detach(other);
  EXPECT_EQ(function_.Mapped(1), 0xe0000000u);
}

TEST_F(FunctionTest, BarsOfOneFunctionMayBeSwapped) {
  ConfigStore(0, kAt, 0x14, 0xe0000000);
  ConfigStore(0, kAt, 0x18, 0xe0004000);
  SetCommand(kCommandMemory);
  ConfigStore(0, kAt, 0x14, 0xe0004000);
  EXPECT_FALSE(function_.Mapped(1));
  ConfigStore(0, kAt, 0x18, 0xe0000000);
  EXPECT_EQ(function_.Mapped(1), 0xe0004000u);
  EXPECT_EQ(function_.Mapped(2), 0xe0000000u);
}

TEST_F(FunctionTest, ReadOnlyRegistersKeepTheirValue) {
  ConfigStore(0, kAt, kVendorId, 0);
  ConfigStore(0, kAt, kRevision, 0);
  ConfigStore(0, kAt, kSubsystemVendorId, 0);
  EXPECT_EQ(ConfigLoad(0, kAt, kVendorId), 0x10f01af4u);
  EXPECT_EQ(ConfigLoad(0, kAt, kRevision), 0xff000001u);
  EXPECT_EQ(ConfigLoad(0, kAt, kSubsystemVendorId), 0x11001af4u);
}

TEST_F(FunctionTest, PinFollowsTheInterruptUnlessDisabled) {
  function_.SetIntx(true);
  EXPECT_TRUE(Line(0));
  EXPECT_TRUE(ConfigLoad(0, kAt, kStatus, 2) & kStatusInterrupt);
  SetCommand(kCommandIntxDisable);
  EXPECT_FALSE(Line(0));
  EXPECT_TRUE(ConfigLoad(0, kAt, kStatus, 2) & kStatusInterrupt);
  SetCommand(0);
  EXPECT_TRUE(Line(0));
  function_.SetIntx(false);
  EXPECT_FALSE(Line(0));
  EXPECT_FALSE(ConfigLoad(0, kAt, kStatus, 2) & kStatusInterrupt);
}

TEST_F(FunctionTest, SharedLineStaysHighUntilTheLastOneIsLow) {
  TestFunction other;
  ASSERT_TRUE(host_.root().Attach(other, Devfn(8, 0)));
  function_.SetIntx(true);
  other.SetIntx(true);
  function_.SetIntx(false);
  EXPECT_TRUE(Line(0));
  host_.root().Detach(other);
  EXPECT_FALSE(Line(0));
}

TEST_F(FunctionTest, ResetGoesBackToPowerOn) {
  ConfigStore(0, kAt, 0x14, 0xe0000000);
  ConfigStore(0, kAt, kInterruptLine, 11, 1);
  SetCommand(kCommandMemory | kCommandMaster);
  function_.SetIntx(true);
  host_.Reset();
  EXPECT_EQ(function_.resets, 1);
  EXPECT_FALSE(function_.Mapped(1));
  EXPECT_FALSE(function_.bus_master());
  EXPECT_FALSE(Line(0));
  EXPECT_EQ(ConfigLoad(0, kAt, 0x14), 0u);
  EXPECT_EQ(ConfigLoad(0, kAt, kInterruptLine, 1), 0u);
}

TEST_F(FunctionTest, ConventionalFunctionHasNothingBeyondItsSpace) {
  EXPECT_EQ(ConfigLoad(0, kAt, 0x100), 0xffffffffu);
  EXPECT_EQ(ConfigLoad(0, kAt, 0xffc), 0xffffffffu);
  ConfigStore(0, kAt, 0x100, 0);
  // Half inside.
  EXPECT_EQ(Load(mmio_, EcamAddress(0, kAt, 0xfe), 4), 0xffff0000u);
}

TEST_F(FunctionTest, AccessAcrossTwoFunctionsStaysInTheFirst) {
  EXPECT_EQ(Load(mmio_, EcamAddress(0, Devfn(3, 7), 0xffe), 4), 0xffffffffu);
  Store(mmio_, EcamAddress(0, kAt, 0xffe), 4, 0);
}

}  // namespace
}  // namespace davit::pci
