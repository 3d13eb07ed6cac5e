// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// KvmMemory on the fake VM: which slots are set and removed, and what a refusal leaves.
#include "vmm/machine/kvm_memory.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "vmm/base/units.h"
#include "vmm/kvm/fake.h"
#include "vmm/memory/ram_block.h"

namespace davit::machine {
namespace {

class KvmMemoryTest : public testing::Test {
 protected:
  static memory::Region RegionAt(uint64_t base) {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kMiB;
    return {{base}, kMiB, *memory::RamBlock::Create(options), 0};
  }
  static memory::GuestMemory Table(std::vector<memory::Region> regions) {
    auto memory = memory::GuestMemory::Create(std::move(regions));
    EXPECT_TRUE(memory) << memory.error();
    return *memory;
  }
  // What the last calls asked for, as "number@gpa+size".
  std::string Calls() {
    std::string text;
    for (const kvm::FakeVm::Slot& slot : std::exchange(vm_.slots, {})) {
      text += fmt::format("{}@{:x}+{:x} ", slot.slot, slot.gpa, slot.size);
    }
    return text;
  }

  const memory::Region low_ = RegionAt(0), a_ = RegionAt(kGiB), b_ = RegionAt(2 * kGiB);
  kvm::FakeVm vm_;
  // What was asked for before, while, and after the vCPUs were held.
  std::string when_;
  KvmMemory slots_{vm_, [this](const std::function<void()>& fn) {
                     when_ += Calls() + "[";
                     fn();
                     when_ += Calls() + "]";
                   }};
};

TEST_F(KvmMemoryTest, OnlyWhatChangesIsTouched) {
  ASSERT_TRUE(slots_.OnMemory(Table({low_})));
  EXPECT_EQ(Calls(), "0@0+100000 ");
  ASSERT_TRUE(slots_.OnMemory(Table({low_, a_, b_})));
  EXPECT_EQ(Calls(), "1@40000000+100000 2@80000000+100000 ");
  ASSERT_TRUE(slots_.OnMemory(Table({low_, b_})));
  EXPECT_EQ(when_, "[1@40000000+0 ]");
  ASSERT_TRUE(slots_.OnMemory(Table({low_, b_})));
  EXPECT_EQ(when_, "[1@40000000+0 ]");
  EXPECT_EQ(Calls(), "");
}

TEST_F(KvmMemoryTest, SlotsGoWhileNoCpuRuns) {
  ASSERT_TRUE(slots_.OnMemory(Table({low_, a_, b_})));
  EXPECT_EQ(when_, "") << "nobody waits for slots that come";
  Calls();
  ASSERT_TRUE(slots_.OnMemory(Table({low_, RegionAt(kGiB)})));
  EXPECT_EQ(when_, "[1@40000000+0 2@80000000+0 ]");
  EXPECT_EQ(Calls(), "1@40000000+100000 ");
}

TEST_F(KvmMemoryTest, FreedNumberIsUsedAgain) {
  ASSERT_TRUE(slots_.OnMemory(Table({low_, a_, b_})));
  ASSERT_TRUE(slots_.OnMemory(Table({low_, b_})));
  Calls();
  ASSERT_TRUE(slots_.OnMemory(Table({low_, a_, b_})));
  EXPECT_EQ(Calls(), "1@40000000+100000 ");
}

TEST_F(KvmMemoryTest, OtherMemoryAtTheSamePlaceIsAnotherSlot) {
  ASSERT_TRUE(slots_.OnMemory(Table({low_, a_})));
  Calls();
  ASSERT_TRUE(slots_.OnMemory(Table({low_, RegionAt(kGiB)})));
  EXPECT_EQ(when_, "[1@40000000+0 ]");
  EXPECT_EQ(Calls(), "1@40000000+100000 ");
}

TEST_F(KvmMemoryTest, RefusalOfTheKernelLeavesTheSlotsThatWere) {
  ASSERT_TRUE(slots_.OnMemory(Table({low_, a_})));
  Calls();
  vm_.fail_call = "SetMemorySlot";
  EXPECT_FALSE(slots_.OnMemory(Table({low_, a_, b_})));
  vm_.fail_call.clear();
  EXPECT_EQ(Calls(), "");
  ASSERT_TRUE(slots_.OnMemory(Table({low_, a_, b_})));
  EXPECT_EQ(Calls(), "2@80000000+100000 ");
}

TEST_F(KvmMemoryTest, MoreRegionsThanSlotsAreRefusedInQemusWords) {
  vm_.caps[kvm::Cap::kNrMemslots] = 2;
  ASSERT_TRUE(slots_.OnMemory(Table({low_, a_})));
  Calls();
  const Status full = slots_.OnMemory(Table({low_, a_, b_}));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().message, "hypervisor has no free memory slots left");
  EXPECT_EQ(Calls(), "");
}

}  // namespace
}  // namespace davit::machine
