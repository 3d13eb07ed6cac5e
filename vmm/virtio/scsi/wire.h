// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What driver and device of a SCSI host say to each other (virtio 1.2, 5.6): feature bits,
// configuration space, requests, responses, task management, events. Constants and layouts only.
#pragma once

#include <array>
#include <cstdint>

#include "vmm/base/endian.h"
#include "vmm/virtio/core/features.h"

namespace davit::virtio::scsi {

inline constexpr uint64_t kFeatureHotplug = Bit(1), kFeatureChange = Bit(2);

inline constexpr uint16_t kControlQueue = 0, kEventQueue = 1, kFirstRequestQueue = 2;

// struct virtio_scsi_config (5.6.4)
struct Config {
  le32 num_queues;
  le32 seg_max;
  le32 max_sectors;
  le32 cmd_per_lun;
  le32 event_info_size;
  le32 sense_size;
  le32 cdb_size;
  le16 max_channel;
  le16 max_target;
  le32 max_lun;
};
static_assert(sizeof(Config) == 36);
inline constexpr uint32_t kConfigSenseSize = 20, kConfigCdbSize = 24;  // offsets
inline constexpr uint32_t kDefaultSenseSize = 96, kDefaultCdbSize = 32;

using LunAddress = std::array<uint8_t, 8>;

// struct virtio_scsi_req_cmd (5.6.6.1): this, cdb_size bytes of CDB, data for the device.
struct CommandHeader {
  LunAddress lun;
  le64 tag;
  uint8_t attribute;
  uint8_t priority;
  uint8_t reference;
};
static_assert(sizeof(CommandHeader) == 19);

// Then sense_size bytes of sense data, then data for the driver.
struct CommandResponse {
  le32 sense_bytes;
  le32 residual;
  le16 status_qualifier;
  uint8_t status;
  uint8_t response;
};
static_assert(sizeof(CommandResponse) == 12);

enum Response : uint8_t {
  kOk = 0,
  kOverrun = 1,
  kAborted = 2,
  kBadTarget = 3,
  kFailure = 9,
  kFunctionSucceeded = 10,
  kFunctionRejected = 11,
  kIncorrectLun = 12,
};

// The control queue (5.6.6.2).
inline constexpr uint32_t kControlTask = 0, kControlQuery = 1, kControlSubscribe = 2;
struct TaskRequest {
  le32 type;
  le32 subtype;
  LunAddress lun;
  le64 tag;
};
static_assert(sizeof(TaskRequest) == 24);
enum Task : uint32_t {
  kAbortTask = 0,
  kAbortTaskSet = 1,
  kClearAca = 2,
  kClearTaskSet = 3,
  kNexusReset = 4,
  kLunReset = 5,
  kQueryTask = 6,
  kQueryTaskSet = 7,
};
struct NotifyRequest {
  le32 type;
  LunAddress lun;
  le32 requested;
};
static_assert(sizeof(NotifyRequest) == 16);

// The event queue (5.6.6.3).
struct Event {
  le32 event;
  LunAddress lun;
  le32 reason;
};
static_assert(sizeof(Event) == 16);
inline constexpr uint32_t kEventsMissed = 0x80000000, kNoEvent = 0, kTransportReset = 1,
                          kParameterChange = 3;
// Reasons of kTransportReset: a unit is there, or is no more.
inline constexpr uint32_t kRescan = 1, kRemoved = 2;
inline constexpr uint32_t kCapacityChanged = 0x092a;  // ASCQ, ASC

}  // namespace davit::virtio::scsi
