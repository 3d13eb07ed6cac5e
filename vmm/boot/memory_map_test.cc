// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/boot/memory_map.h"

#include <gtest/gtest.h>

#include "vmm/boot/microvm_layout.h"
#include "vmm/boot/testing/test_images.h"

namespace davit::boot {
namespace {

TEST(BuildMemoryMap, SmallMachineHasOneRangeAboveOneMiB) {
  const std::vector<MemoryRange> map = BuildMemoryMap(testing::MakeMemory(128 * kMiB));
  const std::vector<MemoryRange> expected = {
      {0, 0x9fc00, MemoryType::kRam},
      {0x9fc00, 0x400, MemoryType::kReserved},
      {0xe0000, 0x20000, MemoryType::kReserved},
      {0x100000, 127 * kMiB, MemoryType::kRam},
  };
  EXPECT_EQ(map, expected);
}

TEST(BuildMemoryMap, LargeMachineContinuesAbove4GiB) {
  const std::vector<MemoryRange> map = BuildMemoryMap(testing::MakeMemory(6 * kGiB));
  ASSERT_EQ(map.size(), 5u);
  EXPECT_EQ(map[3], (MemoryRange{0x100000, 3 * kGiB - kMiB, MemoryType::kRam}));
  EXPECT_EQ(map[4], (MemoryRange{4 * kGiB, 3 * kGiB, MemoryType::kRam}));
}

TEST(BuildMemoryMap, WhatThePlatformTakesLiesInItsPlace) {
  const std::vector<MemoryRange> reserved = {{0xe0000000, 0x10000000, MemoryType::kReserved}};
  const std::vector<MemoryRange> map = BuildMemoryMap(testing::MakeMemory(6 * kGiB), reserved);
  ASSERT_EQ(map.size(), 6u);
  EXPECT_EQ(map[4], reserved[0]);
  EXPECT_EQ(map[5].base, 4 * kGiB);
}

TEST(LowRamEnd, StopsAtTheHole) {
  EXPECT_EQ(LowRamEnd(testing::MakeMemory(6 * kGiB)), 3 * kGiB);
  EXPECT_EQ(LowRamEnd(memory::GuestMemory()), 0u);
}

TEST(CheckLowMemory, TooSmallMachineIsRefused) {
  const Status status = CheckLowMemory(testing::MakeMemory(kMiB));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "not enough RAM to boot: the machine has 1024 KiB, at least 2048 KiB needed");
}

}  // namespace
}  // namespace davit::boot
