// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// MSI-X and MSI: masks, pending bits, lazy routes.
#include "vmm/pci/msix.h"

#include <gtest/gtest.h>

#include "vmm/pci/msi.h"
#include "vmm/pci/testing/host_fixture.h"
#include "vmm/pci/testing/test_function.h"

namespace davit::pci {
namespace {

constexpr uint8_t kAt = Devfn(4, 0);
constexpr uint64_t kTable = 0xe0000000;

class MsixTest : public HostFixture {
 protected:
  MsixTest() : msix_(Msix::InOwnBar(function_, 1, 130)) {
    EXPECT_TRUE(host_.root().Attach(function_, kAt));
    capability_ = function_.config().FindCapability(kCapMsix);
    ConfigStore(0, kAt, 0x14, kTable);
    ConfigStore(0, kAt, kCommand, kCommandMemory | kCommandMaster, 2);
  }
  ~MsixTest() override { host_.root().Detach(function_); }
  void Control(uint16_t value) { ConfigStore(0, kAt, capability_ + 2, value, 2); }
  void Entry(unsigned vector, uint64_t address, uint32_t data, uint32_t control) {
    Store(mmio_, kTable + 16 * vector, 4, address & 0xffffffff);
    Store(mmio_, kTable + 16 * vector + 4, 4, address >> 32);
    Store(mmio_, kTable + 16 * vector + 8, 4, data);
    Store(mmio_, kTable + 16 * vector + 12, 4, control);
  }
  bool Pending(unsigned vector) {
    return Load(mmio_, kTable + pba_ + vector / 64 * 8, 8) >> vector % 64 & 1;
  }

  TestFunction function_;
  std::unique_ptr<Msix> msix_;
  uint32_t capability_ = 0;
  static constexpr uint64_t pba_ = 130 * 16;
};

TEST_F(MsixTest, LayoutIsAsInQemu) {
  EXPECT_EQ(ConfigLoad(0, kAt, capability_ + 2, 2), 129u);
  EXPECT_EQ(ConfigLoad(0, kAt, capability_ + 4), 1u);
  EXPECT_EQ(ConfigLoad(0, kAt, capability_ + 8), pba_ | 1);
}

TEST_F(MsixTest, UnmaskedVectorIsSent) {
  Control(0x8000);
  Entry(129, 0x1fee00000, 0x41, 0);
  msix_->Trigger(129);
  EXPECT_EQ(msi_.Take(), (std::vector<irq::MsiMessage>{{0x1fee00000, 0x41}}));
  EXPECT_FALSE(Pending(129));
}

TEST_F(MsixTest, MaskedVectorIsPendingUntilUnmasked) {
  Control(0x8000);
  Entry(70, 0xfee00000, 0x42, 1);
  msix_->Trigger(70);
  EXPECT_TRUE(msi_.Take().empty());
  EXPECT_TRUE(Pending(70));
  Store(mmio_, kTable + 16 * 70 + 12, 4, 0);
  EXPECT_EQ(msi_.Take().size(), 1u);
  EXPECT_FALSE(Pending(70));
}

TEST_F(MsixTest, FunctionMaskHoldsAllBack) {
  Control(0xc000);
  Entry(0, 0xfee00000, 0x42, 0);
  Entry(1, 0xfee00000, 0x43, 0);
  msix_->Trigger(1);
  msix_->Trigger(0);
  msix_->Trigger(0);
  EXPECT_TRUE(msi_.Take().empty());
  Control(0x8000);
  EXPECT_EQ(msi_.Take(), (std::vector<irq::MsiMessage>{{0xfee00000, 0x42}, {0xfee00000, 0x43}}));
}

TEST_F(MsixTest, ChangedMessageIsUsed) {
  Control(0x8000);
  Entry(0, 0xfee00000, 0x42, 0);
  Store(mmio_, kTable + 8, 4, 0x55);
  msix_->Trigger(0);
  EXPECT_EQ(msi_.Take(), (std::vector<irq::MsiMessage>{{0xfee00000, 0x55}}));
}

TEST_F(MsixTest, WithoutBusMasteringNothingIsSent) {
  Control(0x8000);
  Entry(0, 0xfee00000, 0x42, 0);
  ConfigStore(0, kAt, kCommand, kCommandMemory, 2);
  msix_->Trigger(0);
  EXPECT_TRUE(msi_.Take().empty());
}

TEST_F(MsixTest, EnablingLowersThePin) {
  function_.SetIntx(true);
  Control(0x8000);
  EXPECT_FALSE(Line(0));
}

TEST_F(MsixTest, OutOfRangeVectorsAndAccessesAreHarmless) {
  Control(0x8000);
  msix_->Trigger(130);
  msix_->Trigger(0xffff);
  Store(mmio_, kTable + pba_, 8, ~uint64_t{0});
  EXPECT_EQ(Load(mmio_, kTable + pba_, 8), 0u);
  EXPECT_EQ(Load(mmio_, kTable + 0xffc, 4), 0u);
  Store(mmio_, kTable + 0xff8, 8, ~uint64_t{0});
  EXPECT_TRUE(msi_.Take().empty());
}

TEST_F(MsixTest, ResetMasksAndForgets) {
  Control(0x8000);
  Entry(0, 0xfee00000, 0x42, 0);
  Entry(1, 0xfee00000, 0x43, 1);
  msix_->Trigger(1);
  host_.Reset();
  EXPECT_FALSE(msix_->enabled());
  ConfigStore(0, kAt, 0x14, kTable);
  ConfigStore(0, kAt, kCommand, kCommandMemory | kCommandMaster, 2);
  EXPECT_EQ(Load(mmio_, kTable, 8), 0u);
  EXPECT_EQ(Load(mmio_, kTable + 12, 4), 1u);
  EXPECT_FALSE(Pending(1));
}

class MsiTest : public HostFixture {
 protected:
  MsiTest() : msi_capability_(function_, {.vectors = 4, .maskable = true}) {
    EXPECT_TRUE(host_.root().Attach(function_, kAt));
    at_ = function_.config().FindCapability(kCapMsi);
    ConfigStore(0, kAt, kCommand, kCommandMaster, 2);
    ConfigStore(0, kAt, at_ + 4, 0xfee00000);
    ConfigStore(0, kAt, at_ + 12, 0x40, 2);
  }
  ~MsiTest() override { host_.root().Detach(function_); }

  TestFunction function_;
  Msi msi_capability_;
  uint32_t at_ = 0;
};

TEST_F(MsiTest, VectorsAreInTheDataAsFarAsGranted) {
  ConfigStore(0, kAt, at_ + 2, 1 | 1 << 4, 2);  // two vectors
  msi_capability_.Trigger(1);
  msi_capability_.Trigger(3);
  EXPECT_EQ(msi_.Take(), (std::vector<irq::MsiMessage>{{0xfee00000, 0x41}, {0xfee00000, 0x40}}));
}

TEST_F(MsiTest, MaskedVectorIsSentAtUnmask) {
  ConfigStore(0, kAt, at_ + 16, 1);
  ConfigStore(0, kAt, at_ + 2, 1, 2);
  msi_capability_.Trigger(0);
  EXPECT_TRUE(msi_.Take().empty());
  ConfigStore(0, kAt, at_ + 16, 0);
  EXPECT_EQ(msi_.Take().size(), 1u);
}

TEST_F(MsiTest, GrantingMoreThanThereAreIsHarmless) {
  ConfigStore(0, kAt, at_ + 2, 1 | 7 << 4, 2);
  msi_capability_.Trigger(3);
  EXPECT_EQ(msi_.Take(), (std::vector<irq::MsiMessage>{{0xfee00000, 0x43}}));
}

TEST_F(MsiTest, DisabledSendsNothing) {
  msi_capability_.Trigger(0);
  EXPECT_TRUE(msi_.Take().empty());
}

}  // namespace
}  // namespace davit::pci
