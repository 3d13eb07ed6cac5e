// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Discard: the host gets its memory back, reads give zeros, neighbours stay.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include "vmm/base/units.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/memory/ram_block.h"

namespace davit::memory {
namespace {

constexpr uint64_t kPages = 16;

struct Case {
  const char* name;
  RamBlockOptions::Kind kind;
  bool share;
};

class DiscardTest : public testing::TestWithParam<Case> {
 protected:
  DiscardTest() {
    RamBlockOptions options;
    options.kind = GetParam().kind;
    options.id = "mem0";
    options.size = kPages * kPageSize;
    options.share = GetParam().share;
    options.prealloc = true;
    if (options.kind == RamBlockOptions::Kind::kFile) {
      const char* dir = std::getenv("TEST_TMPDIR");
      options.path = dir != nullptr ? dir : "/tmp";
    }
    auto block = RamBlock::Create(options);
    EXPECT_TRUE(block) << block.error();
    block_ = *block;
    memory_ = *GuestMemory::Create({{{0}, kPages * kPageSize, block_, 0}});
    EXPECT_TRUE(memory_.Fill({0}, kPages * kPageSize, std::byte{0xab}));
  }
  // How many pages of the mapping the host holds memory for.
  uint64_t Resident() const {
    if (GetParam().share && block_->fd() >= 0) {
      struct stat st {};
      EXPECT_EQ(fstat(block_->fd(), &st), 0);
      return static_cast<uint64_t>(st.st_blocks) * 512 / kPageSize;
    }
    std::array<unsigned char, kPages> pages{};
    EXPECT_EQ(
        mincore(reinterpret_cast<void*>(block_->host_address()), kPages * kPageSize, pages.data()),
        0);
    uint64_t n = 0;
    for (unsigned char page : pages) n += page & 1;
    return n;
  }
  uint8_t ByteAt(uint64_t address) const { return *memory_.Read<uint8_t>({address}); }

  std::shared_ptr<RamBlock> block_;
  GuestMemory memory_;
};

TEST_P(DiscardTest, PopulatedMemoryIsThereAgain) {
  ASSERT_TRUE(memory_.Discard({0}, kPages * kPageSize));
  ASSERT_TRUE(memory_.Populate({2 * kPageSize}, 3 * kPageSize));
  EXPECT_GE(Resident(), 3U);
  EXPECT_FALSE(memory_.Populate({0}, (kPages + 1) * kPageSize));
}

TEST_P(DiscardTest, HostMemoryIsReturnedAndReadsGiveZeros) {
  const uint64_t before = Resident();
  ASSERT_TRUE(memory_.Discard({4 * kPageSize}, 8 * kPageSize));
  if (GetParam().kind != RamBlockOptions::Kind::kFile || GetParam().share) {
    EXPECT_EQ(Resident(), before - 8);
  }
  EXPECT_EQ(ByteAt(4 * kPageSize), 0);
  EXPECT_EQ(ByteAt(12 * kPageSize - 1), 0);
}

TEST_P(DiscardTest, NeighboursKeepTheirBytes) {
  ASSERT_TRUE(memory_.Discard({4 * kPageSize}, 8 * kPageSize));
  EXPECT_EQ(ByteAt(4 * kPageSize - 1), 0xab);
  EXPECT_EQ(ByteAt(12 * kPageSize), 0xab);
}

TEST_P(DiscardTest, PageInPartIsLeftAlone) {
  ASSERT_TRUE(memory_.Discard({kPageSize + 1}, 2 * kPageSize));
  EXPECT_EQ(ByteAt(kPageSize + 1), 0xab);
  EXPECT_EQ(ByteAt(2 * kPageSize), 0);
  EXPECT_EQ(ByteAt(3 * kPageSize), 0xab);
  ASSERT_TRUE(memory_.Discard({5 * kPageSize + 100}, 200));
  EXPECT_EQ(ByteAt(5 * kPageSize + 150), 0xab);
}

TEST_P(DiscardTest, RangeBeyondRamIsRefused) {
  EXPECT_FALSE(memory_.Discard({(kPages - 1) * kPageSize}, 2 * kPageSize));
  EXPECT_EQ(ByteAt((kPages - 1) * kPageSize), 0xab);
}

using Kind = RamBlockOptions::Kind;
INSTANTIATE_TEST_SUITE_P(All, DiscardTest,
                         testing::Values(Case{"AnonymousPrivate", Kind::kAnonymous, false},
                                         Case{"AnonymousShared", Kind::kAnonymous, true},
                                         Case{"MemfdPrivate", Kind::kMemfd, false},
                                         Case{"MemfdShared", Kind::kMemfd, true},
                                         Case{"FilePrivate", Kind::kFile, false},
                                         Case{"FileShared", Kind::kFile, true}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace davit::memory
