// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/memory/borrowed_io.h"

#include <gtest/gtest.h>

#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"

namespace davit::memory {
namespace {

// Two regions that are neighbours in the guest but not in host memory, then a hole.
class BorrowedIoTest : public testing::Test {
 protected:
  BorrowedIoTest() {
    RamBlockOptions options;
    options.id = "ram";
    options.size = 8 * kPageSize;
    block_ = *RamBlock::Create(options);
    memory_ = *GuestMemory::Create(
        {{{0}, 2 * kPageSize, block_, 0}, {{2 * kPageSize}, 2 * kPageSize, block_, 4 * kPageSize}});
  }
  std::shared_ptr<RamBlock> block_;
  GuestMemory memory_;
};

TEST_F(BorrowedIoTest, RangeAcrossRegionsIsTwoIovecs) {
  BorrowedIo io(memory_);
  ASSERT_TRUE(io.Append({kPageSize}, 2 * kPageSize));
  ASSERT_EQ(io.iovecs().size(), 2u);
  EXPECT_EQ(io.iovecs()[0].iov_len, kPageSize);
  EXPECT_EQ(io.iovecs()[1].iov_len, kPageSize);
  EXPECT_EQ(io.bytes(), 2 * kPageSize);
}

TEST_F(BorrowedIoTest, NeighboursInHostMemoryAreOneIovec) {
  BorrowedIo io(memory_);
  ASSERT_TRUE(io.Append({0}, 100));
  ASSERT_TRUE(io.Append({100}, 50));
  ASSERT_EQ(io.iovecs().size(), 1u);
  EXPECT_EQ(io.iovecs()[0].iov_len, 150u);
}

TEST_F(BorrowedIoTest, RangeOutsideRamIsRefusedAndAppendsNothing) {
  BorrowedIo io(memory_);
  EXPECT_FALSE(io.Append({3 * kPageSize}, 2 * kPageSize));
  EXPECT_FALSE(io.Append({UINT64_MAX - 3}, 8));
  EXPECT_TRUE(io.iovecs().empty());
  EXPECT_EQ(io.bytes(), 0u);
}

}  // namespace
}  // namespace davit::memory
