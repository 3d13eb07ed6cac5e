// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What driver and device of a block device say to each other (virtio 1.2, 5.2): feature bits,
// configuration space, request header, status. Constants and layouts only.
#pragma once

#include <cstdint>

#include "vmm/base/endian.h"
#include "vmm/virtio/core/features.h"

namespace davit::virtio::block {

inline constexpr uint64_t kFeatureSegMax = Bit(2);
inline constexpr uint64_t kFeatureReadOnly = Bit(5);
inline constexpr uint64_t kFeatureBlkSize = Bit(6);
inline constexpr uint64_t kFeatureFlush = Bit(9);
inline constexpr uint64_t kFeatureTopology = Bit(10);
inline constexpr uint64_t kFeatureConfigWce = Bit(11);
inline constexpr uint64_t kFeatureMultiQueue = Bit(12);
inline constexpr uint64_t kFeatureDiscard = Bit(13);
inline constexpr uint64_t kFeatureWriteZeroes = Bit(14);

// struct virtio_blk_config (5.2.4)
struct Config {
  le64 capacity;  // sectors of 512 bytes
  le32 size_max;
  le32 seg_max;
  le16 cylinders;
  uint8_t heads;
  uint8_t sectors;
  le32 blk_size;
  uint8_t physical_block_exp;
  uint8_t alignment_offset;
  le16 min_io_size;
  le32 opt_io_size;
  uint8_t writeback;
  uint8_t unused0;
  le16 num_queues;
  le32 max_discard_sectors;
  le32 max_discard_seg;
  le32 discard_sector_alignment;
  le32 max_write_zeroes_sectors;
  le32 max_write_zeroes_seg;
  uint8_t write_zeroes_may_unmap;
  uint8_t unused1[3];
};
static_assert(sizeof(Config) == 60);
inline constexpr uint32_t kConfigWriteback = 32;  // offset of `writeback`

// struct virtio_blk_req (5.2.6): this, then data, then one byte of status.
struct Header {
  le32 type;
  le32 reserved;
  le64 sector;
};
static_assert(sizeof(Header) == 16);

inline constexpr uint32_t kTypeIn = 0;
inline constexpr uint32_t kTypeOut = 1;
inline constexpr uint32_t kTypeFlush = 4;
inline constexpr uint32_t kTypeGetId = 8;
inline constexpr uint32_t kTypeDiscard = 11;
inline constexpr uint32_t kTypeWriteZeroes = 13;

// Data of kTypeDiscard and kTypeWriteZeroes.
struct Range {
  le64 sector;
  le32 sectors;
  le32 flags;
};
static_assert(sizeof(Range) == 16);
inline constexpr uint32_t kRangeUnmap = 1;

inline constexpr uint32_t kIdBytes = 20;

inline constexpr uint8_t kStatusOk = 0;
inline constexpr uint8_t kStatusIoError = 1;
inline constexpr uint8_t kStatusUnsupported = 2;

}  // namespace davit::virtio::block
