// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// KvmAccel over the fake KVM: what lines, the split IOAPIC and doorbells come to.
#include "vmm/machine/accel_kvm.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/kvm/fake.h"

namespace davit::machine {
namespace {

class KvmAccelTest : public ::testing::Test {
 protected:
  // One redirection entry of the IOAPIC, low half.
  static void Program(devices::Ioapic& ioapic, unsigned pin, uint32_t low) {
    const uint8_t index[4] = {static_cast<uint8_t>(0x10 + 2 * pin)};
    ioapic.Write(0x00, index);
    const uint8_t value[4] = {static_cast<uint8_t>(low), static_cast<uint8_t>(low >> 8),
                              static_cast<uint8_t>(low >> 16), static_cast<uint8_t>(low >> 24)};
    ioapic.Write(0x10, value);
  }
  size_t RoutesOf(uint32_t gsi) const {
    return static_cast<size_t>(
        std::count_if(vm_.routes.begin(), vm_.routes.end(),
                      [gsi](const kvm::GsiRoute& route) { return route.gsi == gsi; }));
  }

  kvm::FakeVm vm_;
  io::FakeEventLoop loop_;
};

TEST_F(KvmAccelTest, LineIsThePinOfTheInKernelControllers) {
  KvmAccel accel(vm_, loop_, KvmAccel::Irqchip::kInKernel);
  EXPECT_EQ(accel.ioapic(), nullptr);
  EXPECT_EQ(&accel.Line(8), &accel.Line(8));
  accel.Line(8).Set(true);
  accel.Line(23).Set(false);
  EXPECT_EQ(vm_.lines, (std::map<uint32_t, bool>{{8, true}, {23, false}}));
}

TEST_F(KvmAccelTest, LineOfASplitIrqchipIsAPinOfTheIoapic) {
  KvmAccel accel(vm_, loop_, KvmAccel::Irqchip::kSplit);
  ASSERT_NE(accel.ioapic(), nullptr);
  Program(*accel.ioapic(), 4, 0x55);
  accel.Line(4).Pulse();
  EXPECT_TRUE(vm_.lines.empty());
  ASSERT_EQ(vm_.msis.size(), 1U);
  EXPECT_EQ(vm_.msis[0].data & 0xff, 0x55U);
}

TEST_F(KvmAccelTest, IoapicEntryAndMsiRouteLiveBesideEachOther) {
  KvmAccel accel(vm_, loop_, KvmAccel::Irqchip::kSplit);
  auto route = *accel.msi().NewRoute();
  ASSERT_TRUE(route->Set({0xfee00000, 0x41}) && route->event_fd());
  Program(*accel.ioapic(), 4, 0x55);
  EXPECT_EQ(RoutesOf(4), 1U);
  EXPECT_EQ(RoutesOf(24), 1U);
  route.reset();
  EXPECT_EQ(RoutesOf(4), 1U);
  EXPECT_EQ(RoutesOf(24), 0U);
}

TEST_F(KvmAccelTest, DoorbellIsAnIoeventfd) {
  KvmAccel accel(vm_, loop_, KvmAccel::Irqchip::kInKernel);
  const bus::Doorbell bell{false, 0xfeb00050, 4, 3};
  ASSERT_TRUE(accel.doorbells().Bind(bell, 77));
  const kvm::IoEventAddress& where = vm_.ioeventfds.at(77);
  EXPECT_FALSE(where.pio);
  EXPECT_EQ(where.address, 0xfeb00050U);
  EXPECT_EQ(where.length, 4U);
  EXPECT_TRUE(where.match_data);
  EXPECT_EQ(where.data, 3U);
  accel.doorbells().Unbind(bell, 77);
  EXPECT_TRUE(vm_.ioeventfds.empty());
}

TEST_F(KvmAccelTest, DoorbellThatKvmRefusesIsAnError) {
  KvmAccel accel(vm_, loop_, KvmAccel::Irqchip::kInKernel);
  vm_.fail_call = "AddIoeventfd";
  EXPECT_FALSE(accel.doorbells().Bind({true, 0xcd8, 0, std::nullopt}, 77));
}

}  // namespace
}  // namespace davit::machine
