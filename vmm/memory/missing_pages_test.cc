// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Pages that are not there, without huge pages: a file that is shorter than its mapping gives the
// same SIGBUS.
#include "vmm/memory/missing_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <span>

#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"

namespace davit::memory {
namespace {

constexpr uint64_t kPages = 8;

class MissingPagesTest : public ::testing::Test {
 protected:
  // The first page alone is there.
  MissingPagesTest() : file_(memfd_create("short", MFD_CLOEXEC)) {
    EXPECT_EQ(ftruncate(file_.get(), kPageSize), 0);
    void* const area =
        mmap(nullptr, kPages * kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    EXPECT_NE(area, MAP_FAILED);
    bytes_ = static_cast<volatile uint8_t*>(area);
  }
  ~MissingPagesTest() override { munmap(const_cast<uint8_t*>(bytes_), kPages * kPageSize); }
  uint64_t address() const { return reinterpret_cast<uint64_t>(bytes_); }

  const UniqueFd file_;
  volatile uint8_t* bytes_ = nullptr;
};

using MissingPagesDeathTest = MissingPagesTest;

TEST_F(MissingPagesTest, MissingPageIsReplacedAndToldOnce) {
  auto watch = MissingPages::Watch(address(), kPages * kPageSize, 2 * kPageSize);
  ASSERT_TRUE(watch) << watch.error();
  bytes_[0] = 1;
  EXPECT_FALSE((*watch)->Take());
  EXPECT_EQ(bytes_[5 * kPageSize + 7], 0);
  EXPECT_TRUE((*watch)->Take());
  EXPECT_FALSE((*watch)->Take());
  // The whole page of its kind, and no other one.
  bytes_[4 * kPageSize] = 4;
  bytes_[5 * kPageSize] = 5;
  EXPECT_FALSE((*watch)->Take());
  bytes_[7 * kPageSize] = 7;
  EXPECT_TRUE((*watch)->Take());
  EXPECT_EQ(bytes_[0], 1);
  EXPECT_EQ(bytes_[4 * kPageSize], 4);
  EXPECT_EQ(bytes_[5 * kPageSize], 5);
}

TEST_F(MissingPagesTest, PlacesOfWatchesAreUsedAgain) {
  for (size_t i = 0; i < 3 * MissingPages::kMaxWatches; ++i) {
    ASSERT_TRUE(MissingPages::Watch(address(), kPages * kPageSize, kPageSize)) << i;
  }
  std::vector<std::unique_ptr<MissingPages>> all;
  for (size_t i = 0; i < MissingPages::kMaxWatches; ++i) {
    all.push_back(std::move(*MissingPages::Watch(address() + i, 1, 1)));
  }
  const auto more = MissingPages::Watch(address(), kPageSize, kPageSize);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().message, "too much guest memory in huge pages of its own kind");
}

TEST(RamBlockMissingPages, WatchLivesAsLongAsTheMapping) {
  RamBlockOptions options;
  options.id = "ram";
  options.size = 4 * kPageSize;
  options.kind = RamBlockOptions::Kind::kFile;
  options.path = ::testing::TempDir() + "/missing_pages_ram";
  options.share = true;
  auto block = RamBlock::Create(options);
  ASSERT_TRUE(block) << block.error();
  const auto watch = (*block)->WatchMissingPages();
  ASSERT_TRUE(watch) << watch.error();
  EXPECT_EQ(*(*block)->WatchMissingPages(), *watch) << "one for all who ask";
  ASSERT_EQ(truncate(options.path.c_str(), kPageSize), 0) << errno;
  std::byte byte{1};
  (*block)->CopyOut(2 * kPageSize, std::span(&byte, 1));
  EXPECT_EQ(byte, std::byte{0});
  EXPECT_TRUE((*watch)->Take());
  unlink(options.path.c_str());
}

TEST_F(MissingPagesDeathTest, SigbusElsewhereEndsTheProcess) {
  EXPECT_EXIT(
      {
        auto watch = MissingPages::Watch(address(), 2 * kPageSize, kPageSize);
        bytes_[3 * kPageSize] = 1;
      },
      ::testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(
      {
        MissingPages::Watch(address(), kPages * kPageSize, kPageSize)->reset();
        bytes_[3 * kPageSize] = 1;
      },
      ::testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace davit::memory
