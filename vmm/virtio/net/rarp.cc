// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See rarp.h.
#include "vmm/virtio/net/rarp.h"

#include <algorithm>

namespace davit::virtio::net {

std::array<uint8_t, kRarpFrameSize> RarpRequest(const MacAddress& mac) {
  // RFC 903 with the layout of RFC 826: Ethernet (1), IPv4 (0x0800), 6 and 4 bytes of address,
  // "request reverse" (3); sender and target are the card.
  constexpr std::array<uint8_t, 10> kTypeAndHeader = {0x80, 0x35, 0, 1, 0x08, 0, 6, 4, 0, 3};
  std::array<uint8_t, kRarpFrameSize> frame{};
  auto at = std::fill_n(frame.begin(), mac.size(), uint8_t{0xff});
  at = std::copy(mac.begin(), mac.end(), at);
  at = std::copy(kTypeAndHeader.begin(), kTypeAndHeader.end(), at);
  at = std::copy(mac.begin(), mac.end(), at) + 4;  // no protocol address
  std::copy(mac.begin(), mac.end(), at);
  return frame;
}

}  // namespace davit::virtio::net
