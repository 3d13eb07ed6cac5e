// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio over PCI: where the registers lie (virtio 1.2, 4.1.4; places as QEMU 7.2's). Private to
// the transport and its tests.
#pragma once

#include <cstdint>

namespace davit::virtio {

inline constexpr int kMsixBar = 1;
inline constexpr int kPortBar = 2;
inline constexpr int kRegistersBar = 4;
inline constexpr uint64_t kPortSize = 4;
inline constexpr uint64_t kRegistersSize = 0x4000;
inline constexpr uint32_t kBlockSize = 0x1000;
inline constexpr uint32_t kCommonOffset = 0x0000;
inline constexpr uint32_t kIsrOffset = 0x1000;
inline constexpr uint32_t kDeviceOffset = 0x2000;
inline constexpr uint32_t kNotifyOffset = 0x3000;
inline constexpr uint32_t kNotifyMultiplier = 4;
inline constexpr uint32_t kMaxQueues = 1024;  // that the notify block has room for

// cfg_type of the capabilities.
inline constexpr uint8_t kCapCommon = 1;
inline constexpr uint8_t kCapNotify = 2;
inline constexpr uint8_t kCapIsr = 3;
inline constexpr uint8_t kCapDevice = 4;
inline constexpr uint8_t kCapWindow = 5;

inline constexpr uint16_t kNoVector = 0xffff;
inline constexpr uint8_t kIsrQueue = 1;
inline constexpr uint8_t kIsrConfig = 2;

// virtio_pci_common_cfg (4.1.4.3).
enum CommonRegister : uint32_t {
  kDeviceFeatureSelect = 0x00,
  kDeviceFeature = 0x04,
  kDriverFeatureSelect = 0x08,
  kDriverFeature = 0x0c,
  kConfigMsixVector = 0x10,
  kNumQueues = 0x12,
  kDeviceStatus = 0x14,
  kConfigGeneration = 0x15,
  kQueueSelect = 0x16,
  kQueueSize = 0x18,
  kQueueMsixVector = 0x1a,
  kQueueEnable = 0x1c,
  kQueueNotifyOff = 0x1e,
  kQueueDesc = 0x20,
  kQueueDriver = 0x28,
  kQueueDevice = 0x30,
  kQueueNotifyData = 0x38,
  kQueueReset = 0x3a,
};

}  // namespace davit::virtio
