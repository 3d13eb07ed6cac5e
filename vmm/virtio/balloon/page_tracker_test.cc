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

constexpr uint64_t k2M = 512, k1G = 262144;  // in pages of 4 KiB

TEST(HostPageOf, CountsFromTheBeginningOfTheMapping) {
  const Backing low{.range = {0, 4 * k2M}, .offset = 0, .host_page = k2M};
  EXPECT_EQ(HostPageOf(0, low), (PageRange{0, k2M}));
  EXPECT_EQ(HostPageOf(k2M + 7, low), (PageRange{k2M, k2M}));
  EXPECT_EQ(HostPageOf(4 * k2M - 1, low), (PageRange{3 * k2M, k2M}));

  // 1 GiB pages of a node that begins at 512 MiB.
  const Backing node{.range = {k1G / 2, 2 * k1G}, .offset = 0, .host_page = k1G};
  EXPECT_EQ(HostPageOf(k1G / 2, node), (PageRange{k1G / 2, k1G}));
  EXPECT_EQ(HostPageOf(k1G, node), (PageRange{k1G / 2, k1G}));
  EXPECT_EQ(HostPageOf(k1G + k1G / 2, node), (PageRange{k1G + k1G / 2, k1G}));
}

TEST(HostPageOf, OneThatReachesOutOfThePieceIsNone) {
  // The hole below 4 GiB takes the middle of a host page.
  const Backing low{.range = {0, k1G + 5}, .offset = 0, .host_page = k1G};
  EXPECT_EQ(HostPageOf(k1G - 1, low), (PageRange{0, k1G}));
  EXPECT_EQ(HostPageOf(k1G, low), std::nullopt);
  const Backing high{.range = {4 * k1G, 2 * k1G - 5}, .offset = k1G + 5, .host_page = k1G};
  EXPECT_EQ(HostPageOf(4 * k1G, high), std::nullopt);
  EXPECT_EQ(HostPageOf(5 * k1G - 6, high), std::nullopt);
  EXPECT_EQ(HostPageOf(5 * k1G - 5, high), (PageRange{5 * k1G - 5, k1G}));
}

TEST(PageTracker, HostPageIsWholeWithItsLastPageOnly) {
  PageTracker tracker;
  const PageRange host{512, 512};
  for (uint64_t page = 512; page < 1023; ++page) EXPECT_FALSE(tracker.Inflate(page, host));
  EXPECT_TRUE(tracker.Inflate(1023, host));
}

TEST(PageTracker, SamePageAgainDoesNotCount) {
  PageTracker tracker;
  EXPECT_FALSE(tracker.Inflate(0, {0, 2}));
  EXPECT_FALSE(tracker.Inflate(0, {0, 2}));
  EXPECT_TRUE(tracker.Inflate(1, {0, 2}));
  EXPECT_FALSE(tracker.Inflate(1, {0, 2}));
}

TEST(PageTracker, DeflatedPageMustComeBackFirst) {
  PageTracker tracker;
  EXPECT_FALSE(tracker.Inflate(0, {0, 2}));
  tracker.Deflate(0, {0, 2});
  tracker.Deflate(0, {0, 2});
  EXPECT_FALSE(tracker.Inflate(1, {0, 2}));
  EXPECT_TRUE(tracker.Inflate(0, {0, 2}));
}

TEST(PageTracker, HostPagesAreApart) {
  PageTracker tracker;
  EXPECT_FALSE(tracker.Inflate(1, {0, 2}));
  EXPECT_FALSE(tracker.Inflate(2, {2, 2}));
  EXPECT_TRUE(tracker.Inflate(3, {2, 2}));
}

// Memory was unplugged and other memory has its place: of the size of the first its bitmap would be
// too small.
TEST(PageTracker, HostPageOfAnotherSizeStartsAnew) {
  PageTracker tracker;
  EXPECT_FALSE(tracker.Inflate(0, {0, k2M}));
  EXPECT_FALSE(tracker.Inflate(k1G / 2, {0, k1G}));
  tracker.Deflate(0, {0, k2M});
  for (uint64_t page = 0; page < k1G - 1; ++page) {
    if (page == k1G / 2) continue;
    ASSERT_FALSE(tracker.Inflate(page, {0, k1G}));
  }
  EXPECT_TRUE(tracker.Inflate(k1G - 1, {0, k1G}));
}

TEST(PageTracker, WhatIsNotThereIsForgotten) {
  PageTracker tracker;
  EXPECT_FALSE(tracker.Inflate(0, {0, 2}));
  EXPECT_FALSE(tracker.Inflate(2, {2, 2}));
  tracker.Keep([](const PageRange& host) { return host == PageRange{2, 2}; });
  EXPECT_FALSE(tracker.Inflate(1, {0, 2}));
  EXPECT_TRUE(tracker.Inflate(3, {2, 2}));
}

}  // namespace
}  // namespace davit::virtio
