// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a console device and its driver exchange (virtio 1.2, 5.3). Constants and wire structs only.
#pragma once

#include <cstdint>

#include "vmm/base/endian.h"
#include "vmm/virtio/core/features.h"

namespace davit::virtio::console {

// 5.3.3
inline constexpr uint64_t kMultiport = Bit(1);
inline constexpr uint64_t kEmergencyWrite = Bit(2);

// 5.3.4
struct Config {
  le16 columns;
  le16 rows;
  le32 max_ports;
  le32 emergency_write;
};
static_assert(sizeof(Config) == 12 && alignof(Config) == 1);

// 5.3.6.2: on the control queues.
struct Control {
  le32 port;
  le16 event;
  le16 value;
};
static_assert(sizeof(Control) == 8 && alignof(Control) == 1);

inline constexpr uint16_t kDeviceReady = 0;  // driver
inline constexpr uint16_t kPortAdd = 1;
inline constexpr uint16_t kPortRemove = 2;
inline constexpr uint16_t kPortReady = 3;  // driver
inline constexpr uint16_t kConsolePort = 4;
inline constexpr uint16_t kPortOpen = 6;  // both
inline constexpr uint16_t kPortName = 7;

// 5.3.2
inline constexpr uint16_t kControlReceive = 2;
inline constexpr uint16_t kControlTransmit = 3;
constexpr uint16_t ReceiveQueue(uint32_t port) {
  return static_cast<uint16_t>(port == 0 ? 0 : 2 * (port + 1));
}
constexpr uint16_t TransmitQueue(uint32_t port) {
  return static_cast<uint16_t>(ReceiveQueue(port) + 1);
}

}  // namespace davit::virtio::console
