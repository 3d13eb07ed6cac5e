// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-mem on the wire (virtio 1.2, 5.15.4 to 5.15.6).
#pragma once

#include <cstdint>

#include "vmm/base/endian.h"

namespace davit::virtio::mem {

// The config says which NUMA node the memory is in, as _PXM does of a DIMM.
inline constexpr uint64_t kAcpiPxm = uint64_t{1} << 0;
inline constexpr uint64_t kUnpluggedInaccessible = uint64_t{1} << 1;

struct Config {
  le64 block_size;
  le16 node_id;
  uint8_t padding[6];
  le64 addr;
  le64 region_size;
  le64 usable_region_size;
  le64 plugged_size;
  le64 requested_size;
};
static_assert(sizeof(Config) == 56);

enum RequestType : uint16_t { kPlug = 0, kUnplug = 1, kUnplugAll = 2, kState = 3 };
enum ResponseType : uint16_t { kAck = 0, kNack = 1, kBusy = 2, kError = 3 };
enum BlockState : uint16_t { kPlugged = 0, kUnplugged = 1, kMixed = 2 };

struct Request {
  le16 type;
  le16 padding[3];
  le64 addr;
  le16 nb_blocks;
  le16 padding2[3];
};
static_assert(sizeof(Request) == 24);

// Without the padding at the end, as Linux's driver has it.
struct Response {
  le16 type;
  le16 padding[3];
  le16 state;
};
static_assert(sizeof(Response) == 10);

}  // namespace davit::virtio::mem
