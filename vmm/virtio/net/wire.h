// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a network device and its driver exchange (virtio 1.2, 5.1): feature bits, configuration
// space, frame header, control commands. Constants and wire structs only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "vmm/base/endian.h"
#include "vmm/virtio/core/features.h"

namespace davit::virtio::net {

// 5.1.3
inline constexpr uint64_t kCsum = Bit(0);
inline constexpr uint64_t kGuestCsum = Bit(1);
inline constexpr uint64_t kCtrlGuestOffloads = Bit(2);
inline constexpr uint64_t kMtu = Bit(3);
inline constexpr uint64_t kMac = Bit(5);
inline constexpr uint64_t kGuestTso4 = Bit(7);
inline constexpr uint64_t kGuestTso6 = Bit(8);
inline constexpr uint64_t kGuestEcn = Bit(9);
inline constexpr uint64_t kGuestUfo = Bit(10);
inline constexpr uint64_t kHostTso4 = Bit(11);
inline constexpr uint64_t kHostTso6 = Bit(12);
inline constexpr uint64_t kHostEcn = Bit(13);
inline constexpr uint64_t kHostUfo = Bit(14);
inline constexpr uint64_t kMrgRxbuf = Bit(15);
inline constexpr uint64_t kStatus = Bit(16);
inline constexpr uint64_t kCtrlVq = Bit(17);
inline constexpr uint64_t kCtrlRx = Bit(18);
inline constexpr uint64_t kCtrlVlan = Bit(19);
inline constexpr uint64_t kCtrlRxExtra = Bit(20);
inline constexpr uint64_t kGuestAnnounce = Bit(21);
inline constexpr uint64_t kMq = Bit(22);
inline constexpr uint64_t kCtrlMacAddr = Bit(23);
inline constexpr uint64_t kSpeedDuplex = Bit(63);

using MacAddress = std::array<uint8_t, 6>;

// 5.1.4
struct Config {
  MacAddress mac;
  le16 status;
  le16 max_virtqueue_pairs;
  le16 mtu;
  le32 speed;
  uint8_t duplex;
};
static_assert(sizeof(Config) == 17 && alignof(Config) == 1);

inline constexpr uint16_t kStatusLinkUp = 1;
inline constexpr uint16_t kStatusAnnounce = 2;

// 5.1.6
struct Header {
  uint8_t flags;
  uint8_t gso_type;
  le16 hdr_len;
  le16 gso_size;
  le16 csum_start;
  le16 csum_offset;
  le16 num_buffers;
};
static_assert(sizeof(Header) == 12 && alignof(Header) == 1);
inline constexpr uint8_t kHeaderDataValid = 2;

// 5.1.6.5: class, command; then its data; the driver leaves one byte for the answer.
struct ControlHeader {
  uint8_t cls;
  uint8_t command;
};
static_assert(sizeof(ControlHeader) == 2);
inline constexpr uint8_t kControlOk = 0;
inline constexpr uint8_t kControlError = 1;

inline constexpr uint8_t kClassRx = 0;
inline constexpr uint8_t kRxPromisc = 0, kRxAllMulti = 1, kRxAllUni = 2, kRxNoMulti = 3,
                         kRxNoUni = 4, kRxNoBcast = 5;
inline constexpr uint8_t kClassMac = 1;
inline constexpr uint8_t kMacTableSet = 0, kMacAddrSet = 1;
inline constexpr uint8_t kClassVlan = 2;
inline constexpr uint8_t kVlanAdd = 0, kVlanDel = 1;
inline constexpr uint8_t kClassAnnounce = 3;
inline constexpr uint8_t kAnnounceAck = 0;
inline constexpr uint8_t kClassMq = 4;
inline constexpr uint8_t kMqPairsSet = 0;
inline constexpr uint8_t kClassGuestOffloads = 5;
inline constexpr uint8_t kGuestOffloadsSet = 0;

}  // namespace davit::virtio::net
