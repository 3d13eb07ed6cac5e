// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Feature bits, device status bits and device ids that every device or transport shares
// (virtio 1.2, 2.1, 2.2, 5, 6). Constants only.
#pragma once

#include <cstdint>

namespace davit::virtio {

constexpr uint64_t Bit(unsigned n) { return uint64_t{1} << n; }

// Reserved feature bits (6). The core offers and serves these; a device offers only its own.
inline constexpr uint64_t kFeatureNotifyOnEmpty = Bit(24);  // legacy: never offered
inline constexpr uint64_t kFeatureAnyLayout = Bit(27);      // legacy: never offered
inline constexpr uint64_t kFeatureIndirectDesc = Bit(28);
inline constexpr uint64_t kFeatureEventIdx = Bit(29);
inline constexpr uint64_t kFeatureVersion1 = Bit(32);
inline constexpr uint64_t kFeatureAccessPlatform = Bit(33);
inline constexpr uint64_t kFeatureRingPacked = Bit(34);
inline constexpr uint64_t kFeatureInOrder = Bit(35);
inline constexpr uint64_t kFeatureOrderPlatform = Bit(36);
inline constexpr uint64_t kFeatureNotificationData = Bit(38);
inline constexpr uint64_t kFeatureRingReset = Bit(40);

// Device status (2.1).
inline constexpr uint8_t kStatusAcknowledge = 1;
inline constexpr uint8_t kStatusDriver = 2;
inline constexpr uint8_t kStatusDriverOk = 4;
inline constexpr uint8_t kStatusFeaturesOk = 8;
inline constexpr uint8_t kStatusNeedsReset = 64;
inline constexpr uint8_t kStatusFailed = 128;

// Device ids (5).
inline constexpr uint16_t kIdNet = 1;
inline constexpr uint16_t kIdBlock = 2;
inline constexpr uint16_t kIdConsole = 3;
inline constexpr uint16_t kIdRng = 4;
inline constexpr uint16_t kIdBalloon = 5;
inline constexpr uint16_t kIdScsi = 8;
inline constexpr uint16_t kIdVsock = 19;
inline constexpr uint16_t kIdMem = 24;

}  // namespace davit::virtio
