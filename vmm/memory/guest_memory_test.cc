// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// GuestMemory: bounds, holes, pieces across regions, wrapping sums.
#include "vmm/memory/guest_memory.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "vmm/memory/ram_block.h"

namespace davit::memory {
namespace {

std::shared_ptr<RamBlock> Block(uint64_t size) {
  RamBlockOptions options;
  options.id = "ram";
  options.size = size;
  auto block = RamBlock::Create(options);
  EXPECT_TRUE(block) << block.error();
  return *block;
}

// [0, 0x2000) and [0x2000, 0x3000) touch, then a hole, then [0x10000, 0x11000).
GuestMemory Memory() {
  auto block = Block(0x4000);
  auto memory = GuestMemory::Create({{{0}, 0x2000, block, 0},
                                     {{0x2000}, 0x1000, block, 0x3000},
                                     {{0x10000}, 0x1000, block, 0x2000}});
  EXPECT_TRUE(memory) << memory.error();
  return *memory;
}

TEST(GuestMemory, ReadsBackWhatWasWritten) {
  const GuestMemory memory = Memory();
  ASSERT_TRUE(memory.Write<uint32_t>({0x123}, 0xdeadbeef));
  EXPECT_EQ(*memory.Read<uint32_t>({0x123}), 0xdeadbeefU);
}

TEST(GuestMemory, AccessAcrossTouchingRegionsIsSplit) {
  const GuestMemory memory = Memory();
  ASSERT_TRUE(memory.Write<uint64_t>({0x1ffc}, 0x1122334455667788));
  EXPECT_EQ(*memory.Read<uint64_t>({0x1ffc}), 0x1122334455667788U);
  EXPECT_EQ(*memory.Read<uint32_t>({0x2000}), 0x11223344U);
}

TEST(GuestMemory, AccessIntoHoleIsRefusedAsAWhole) {
  const GuestMemory memory = Memory();
  ASSERT_TRUE(memory.Write<uint32_t>({0x2ffc}, 7));
  const auto write = memory.Write<uint64_t>({0x2ffc}, ~uint64_t{0});
  ASSERT_FALSE(write);
  EXPECT_EQ(write.error().message, "guest address 0x2ffc length 0x8 is not RAM");
  EXPECT_EQ(*memory.Read<uint32_t>({0x2ffc}), 7U);
}

TEST(GuestMemory, WrappingRangeIsRefused) {
  const GuestMemory memory = Memory();
  EXPECT_FALSE(memory.Contains({UINT64_MAX - 1}, 4));
  EXPECT_FALSE(memory.Contains({0x1000}, UINT64_MAX));
  EXPECT_TRUE(memory.Contains({UINT64_MAX}, 0));
}

TEST(GuestMemory, OverlapAndBadSizesAreRefused) {
  auto block = Block(0x4000);
  EXPECT_FALSE(GuestMemory::Create({{{0}, 0x2000, block, 0}, {{0x1000}, 0x1000, block, 0}}));
  EXPECT_FALSE(GuestMemory::Create({{{0}, 0x123, block, 0}}));
  EXPECT_FALSE(GuestMemory::Create({{{0}, 0x5000, block, 0}}));
  EXPECT_FALSE(GuestMemory::Create({{{0x1000}, UINT64_MAX & ~0xfffULL, block, 0}}));
}

TEST(GuestMemory, FillAndTotal) {
  const GuestMemory memory = Memory();
  EXPECT_EQ(memory.total_bytes(), 0x4000U);
  ASSERT_TRUE(memory.Fill({0x1ffe}, 4, std::byte{0xab}));
  EXPECT_EQ(*memory.Read<uint32_t>({0x1ffe}), 0xababababU);
  EXPECT_FALSE(memory.Fill({0x10fff}, 2, std::byte{0}));
}

TEST(GuestMemory, EmptyMemoryHasNoRam) {
  const GuestMemory memory;
  EXPECT_EQ(memory.total_bytes(), 0U);
  EXPECT_FALSE(memory.Read<uint8_t>({0}));
}

}  // namespace
}  // namespace davit::memory
