// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See rx_filter.h.
#include "vmm/virtio/net/rx_filter.h"

#include <algorithm>
#include <cstring>

namespace davit::virtio::net {
namespace {

constexpr size_t kEthernetHeader = 14;
constexpr MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

bool Has(const std::vector<MacAddress>& table, const MacAddress& mac) {
  return std::find(table.begin(), table.end(), mac) != table.end();
}

}  // namespace

bool RxFilter::Accepts(std::span<const std::byte> frame) const {
  if (frame.size() < kEthernetHeader) return promiscuous;
  if (promiscuous) return true;
  const auto byte = [&frame](size_t i) { return std::to_integer<uint8_t>(frame[i]); };
  // IEEE 802.1Q tag: type 0x8100, then 12 bits of VLAN id.
  if (vlan_filtering && byte(12) == 0x81 && byte(13) == 0x00 && frame.size() >= 16) {
    if (!vlans[((byte(14) & 0x0fU) << 8) | byte(15)]) return false;
  }
  MacAddress to;
  std::memcpy(to.data(), frame.data(), to.size());
  if ((to[0] & 1) != 0) {
    if (to == kBroadcast) return !no_broadcast;
    if (no_multicast) return false;
    return all_multicast || multicast_overflow || Has(multicast, to);
  }
  if (no_unicast) return false;
  return all_unicast || unicast_overflow || to == main_mac || Has(unicast, to);
}

}  // namespace davit::virtio::net
