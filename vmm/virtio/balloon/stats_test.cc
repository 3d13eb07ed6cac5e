// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/virtio/balloon/stats.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "vmm/base/endian.h"

namespace davit::virtio {
namespace {

void Append(std::vector<std::byte>& out, uint16_t tag, uint64_t value) {
  const size_t at = out.size();
  out.resize(at + kBalloonStatEntry);
  StoreLe(&out[at], 2, tag);
  StoreLe(&out[at + 2], 8, value);
}

TEST(BalloonStats, TagsGoToTheirPlaces) {
  std::vector<std::byte> data;
  Append(data, 4, 1000);
  Append(data, 9, 3);
  BalloonStats stats;
  ParseBalloonStats(data, stats);
  EXPECT_EQ(stats.values[4], 1000U);
  EXPECT_EQ(stats.values[9], 3U);
  EXPECT_EQ(stats.values[0], kBalloonStatUnknown);
}

TEST(BalloonStats, UnknownTagIsSkipped) {
  std::vector<std::byte> data;
  Append(data, 10, 1);
  Append(data, 0xffff, 2);
  Append(data, 5, 7);
  BalloonStats stats;
  ParseBalloonStats(data, stats);
  EXPECT_EQ(stats.values[5], 7U);
}

TEST(BalloonStats, CutOffEntryIsSkipped) {
  std::vector<std::byte> data;
  Append(data, 5, 7);
  Append(data, 6, 8);
  data.pop_back();
  BalloonStats stats;
  ParseBalloonStats(data, stats);
  EXPECT_EQ(stats.values[5], 7U);
  EXPECT_EQ(stats.values[6], kBalloonStatUnknown);
}

TEST(BalloonStats, EmptyBufferChangesNothing) {
  BalloonStats stats;
  ParseBalloonStats({}, stats);
  EXPECT_EQ(stats.values[5], kBalloonStatUnknown);
}

}  // namespace
}  // namespace davit::virtio
