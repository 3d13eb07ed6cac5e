// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/memory/guest_window.h"

#include <gtest/gtest.h>

#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"

namespace davit::memory {
namespace {

// Two regions that are neighbours in the guest but not in host memory, then a hole.
class GuestWindowTest : public testing::Test {
 protected:
  GuestWindowTest() {
    RamBlockOptions options;
    options.id = "ram";
    options.size = 8 * kPageSize;
    auto block = *RamBlock::Create(options);
    memory_ = *GuestMemory::Create(
        {{{0}, 2 * kPageSize, block, 0}, {{2 * kPageSize}, 2 * kPageSize, block, 4 * kPageSize}});
  }
  GuestMemory memory_;
};

TEST_F(GuestWindowTest, SeesWhatTheGuestWrites) {
  const GuestWindow window = *GuestWindow::Create(memory_, {0x100}, 0x10);
  ASSERT_TRUE(memory_.Write<uint16_t>({0x10e}, 0x1234));
  EXPECT_EQ(window.Load16(0xe), 0x1234);
  EXPECT_EQ(window.LoadAcquire16(0xe), 0x1234);
  window.StoreRelease16(0, 0x5678);
  EXPECT_EQ(*memory_.Read<uint16_t>({0x100}), 0x5678);
}

TEST_F(GuestWindowTest, CopiesGoAcrossBlocks) {
  const GuestWindow window = *GuestWindow::Create(memory_, {kPageSize}, 2 * kPageSize);
  const uint64_t value = 0x1122334455667788;
  window.Write(kPageSize - 4, std::as_bytes(std::span(&value, 1)));
  EXPECT_EQ(*memory_.Read<uint64_t>({2 * kPageSize - 4}), value);
  uint64_t back = 0;
  window.Read(kPageSize - 4, std::as_writable_bytes(std::span(&back, 1)));
  EXPECT_EQ(back, value);
  window.Store16(kPageSize, 0xabcd);
  EXPECT_EQ(*memory_.Read<uint16_t>({2 * kPageSize}), 0xabcd);
}

TEST_F(GuestWindowTest, RangeOutsideRamIsRefused) {
  EXPECT_FALSE(GuestWindow::Create(memory_, {3 * kPageSize}, 2 * kPageSize));
  EXPECT_FALSE(GuestWindow::Create(memory_, {UINT64_MAX - 3}, 8));
}

TEST_F(GuestWindowTest, OutlivesTheMemoryTable) {
  const GuestWindow window = *GuestWindow::Create(memory_, {0}, 2);
  memory_ = GuestMemory();
  window.Store16(0, 7);
  EXPECT_EQ(window.Load16(0), 7);
}

// A ring must not keep a DIMM that was unplugged.
TEST_F(GuestWindowTest, KeepsTheMemoryOfItsRangeAlone) {
  const auto block = [](const char* id) {
    RamBlockOptions options;
    options.id = id;
    options.size = kPageSize;
    return *RamBlock::Create(options);
  };
  auto below = block("below"), at = block("at"), above = block("above");
  auto table = *GuestMemory::Create({{{0}, kPageSize, below, 0},
                                     {{kPageSize}, kPageSize, at, 0},
                                     {{2 * kPageSize}, kPageSize, above, 0}});
  const GuestWindow window = *GuestWindow::Create(table, {kPageSize}, kPageSize);
  table = GuestMemory();
  EXPECT_EQ(below.use_count(), 1);
  EXPECT_EQ(at.use_count(), 2);
  EXPECT_EQ(above.use_count(), 1);
}

TEST_F(GuestWindowTest, OffsetOutsideTheWindowIsAFailedCheck) {
  const GuestWindow window = *GuestWindow::Create(memory_, {0}, 16);
  EXPECT_DEATH(window.Load16(16), "offset");
  EXPECT_DEATH(window.Load16(1), "offset");
}

}  // namespace
}  // namespace davit::memory
