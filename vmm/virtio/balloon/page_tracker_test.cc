// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/virtio/balloon/page_tracker.h"

#include <gtest/gtest.h>

namespace davit::virtio {
namespace {

using Ranges = std::vector<PageRange>;

TEST(MergePages, NeighboursInAnyOrderAreOneRange) {
  EXPECT_EQ(MergePages({7, 5, 6, 9}), (Ranges{{5, 3}, {9, 1}}));
}

TEST(MergePages, PageGivenTwiceCountsOnce) {
  EXPECT_EQ(MergePages({3, 3, 4, 4}), (Ranges{{3, 2}}));
}

TEST(MergePages, LastPageNumberDoesNotWrap) {
  EXPECT_EQ(MergePages({0, 0xffffffff}), (Ranges{{0, 1}, {0xffffffff, 1}}));
}

TEST(PageTracker, HostPageIsWholeWithItsLastPageOnly) {
  PageTracker tracker;
  for (uint64_t page = 512; page < 1023; ++page) EXPECT_FALSE(tracker.Inflate(page, 512));
  EXPECT_TRUE(tracker.Inflate(1023, 512));
}

TEST(PageTracker, SamePageAgainDoesNotCount) {
  PageTracker tracker;
  EXPECT_FALSE(tracker.Inflate(0, 2));
  EXPECT_FALSE(tracker.Inflate(0, 2));
  EXPECT_TRUE(tracker.Inflate(1, 2));
  EXPECT_FALSE(tracker.Inflate(1, 2));
}

TEST(PageTracker, DeflatedPageMustComeBackFirst) {
  PageTracker tracker;
  EXPECT_FALSE(tracker.Inflate(0, 2));
  tracker.Deflate(0, 2);
  tracker.Deflate(0, 2);
  EXPECT_FALSE(tracker.Inflate(1, 2));
  EXPECT_TRUE(tracker.Inflate(0, 2));
}

TEST(PageTracker, HostPagesAreApart) {
  PageTracker tracker;
  EXPECT_FALSE(tracker.Inflate(1, 2));
  EXPECT_FALSE(tracker.Inflate(2, 2));
  EXPECT_TRUE(tracker.Inflate(3, 2));
}

}  // namespace
}  // namespace davit::virtio
