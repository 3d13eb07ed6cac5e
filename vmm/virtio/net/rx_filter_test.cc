// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/virtio/net/rx_filter.h"

#include <gtest/gtest.h>

#include <string>

namespace davit::virtio::net {
namespace {

constexpr MacAddress kMine = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
constexpr MacAddress kOther = {0x52, 0x54, 0, 0x12, 0x34, 0x57};
constexpr MacAddress kGroup = {0x33, 0x33, 0, 0, 0, 1};
constexpr MacAddress kEverybody = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

class RxFilterTest : public testing::Test {
 protected:
  RxFilterTest() {
    filter_.promiscuous = false;
    filter_.main_mac = kMine;
  }
  bool Accepts(const MacAddress& to, int vlan = -1) const {
    std::vector<std::byte> frame(60);
    for (size_t i = 0; i < to.size(); ++i) frame[i] = std::byte{to[i]};
    if (vlan >= 0) {
      frame[12] = std::byte{0x81};
      frame[14] = static_cast<std::byte>(vlan >> 8);
      frame[15] = static_cast<std::byte>(vlan);
    }
    return filter_.Accepts(frame);
  }
  RxFilter filter_;
};

TEST_F(RxFilterTest, OwnAddressAndBroadcastPassOthersDoNot) {
  EXPECT_TRUE(Accepts(kMine));
  EXPECT_TRUE(Accepts(kEverybody));
  EXPECT_FALSE(Accepts(kOther));
  EXPECT_FALSE(Accepts(kGroup));
}

TEST_F(RxFilterTest, PromiscuousTakesAll) {
  filter_.promiscuous = true;
  filter_.no_broadcast = filter_.no_unicast = filter_.no_multicast = true;
  EXPECT_TRUE(Accepts(kOther));
  EXPECT_TRUE(Accepts(kEverybody));
}

TEST_F(RxFilterTest, TablesAddAddresses) {
  filter_.unicast = {kOther};
  filter_.multicast = {kGroup};
  EXPECT_TRUE(Accepts(kOther));
  EXPECT_TRUE(Accepts(kGroup));
}

TEST_F(RxFilterTest, OverflowedTableTakesAllOfItsKind) {
  filter_.multicast_overflow = true;
  EXPECT_TRUE(Accepts(kGroup));
  EXPECT_FALSE(Accepts(kOther));
  filter_.unicast_overflow = true;
  EXPECT_TRUE(Accepts(kOther));
}

TEST_F(RxFilterTest, ModesSwitchWholeKindsOff) {
  filter_.no_broadcast = true;
  EXPECT_FALSE(Accepts(kEverybody));
  filter_.no_unicast = true;
  EXPECT_FALSE(Accepts(kMine));
  filter_.all_multicast = filter_.no_multicast = true;
  EXPECT_FALSE(Accepts(kGroup));
}

TEST_F(RxFilterTest, VlansPassWhenTheDriverAddedThem) {
  EXPECT_TRUE(Accepts(kMine, 5));
  filter_.vlan_filtering = true;
  EXPECT_FALSE(Accepts(kMine, 5));
  filter_.vlans[5] = true;
  EXPECT_TRUE(Accepts(kMine, 5));
  EXPECT_FALSE(Accepts(kMine, 0x405));
  EXPECT_TRUE(Accepts(kMine));
}

TEST_F(RxFilterTest, FrameShorterThanItsHeaderIsDropped) {
  EXPECT_FALSE(filter_.Accepts(std::vector<std::byte>(13)));
}

}  // namespace
}  // namespace davit::virtio::net
