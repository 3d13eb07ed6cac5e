// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Which frames a network device hands to its driver (virtio 1.2, 5.1.6.5.1 to 5.1.6.5.3): modes,
// tables of addresses, VLANs. Until the driver says otherwise everything comes in, as with QEMU.
// Pure; the device's lock.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vmm/virtio/net/wire.h"

namespace davit::virtio::net {

struct RxFilter {
  static constexpr size_t kMaxAddresses = 64;  // of both tables together; more is "overflow"
  static constexpr size_t kVlans = 4096;

  bool promiscuous = true;
  bool all_multicast = false, all_unicast = false;
  bool no_multicast = false, no_unicast = false, no_broadcast = false;
  bool unicast_overflow = false, multicast_overflow = false;
  std::vector<MacAddress> unicast, multicast;
  bool vlan_filtering = false;  // the driver can set VLANs; otherwise all pass
  std::bitset<kVlans> vlans;
  MacAddress main_mac{};

  // frame: from the destination address on.
  bool Accepts(std::span<const std::byte> frame) const;
};

}  // namespace davit::virtio::net
