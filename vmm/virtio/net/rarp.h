// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The frame that tells switches behind which port an address is: a broadcast in which it asks for
// its own protocol address (RFC 903). Nobody need answer.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/virtio/net/wire.h"

namespace davit::virtio::net {

// The shortest Ethernet frame without its checksum (IEEE 802.3, 3.2.7).
inline constexpr size_t kRarpFrameSize = 60;

std::array<uint8_t, kRarpFrameSize> RarpRequest(const MacAddress& mac);

}  // namespace davit::virtio::net
