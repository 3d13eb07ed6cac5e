// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A descriptor chain as a block request (virtio 1.2, 5.2.6): what it asks, and whether it can be
// done on this disk at all. Pure: nothing is read but the chain's header, once.
#pragma once

#include <cstdint>

#include "vmm/base/error.h"
#include "vmm/virtio/block/wire.h"
#include "vmm/virtio/core/chain.h"

namespace davit::virtio::block {

enum class Kind : uint8_t { kRead, kWrite, kFlush, kGetId, kDiscard, kWriteZeroes };

// What requests are held against.
struct Limits {
  uint64_t capacity = 0;  // bytes
  uint32_t block_size = 512;
  bool read_only = false;
  bool discard = false;       // negotiated
  bool write_zeroes = false;  // negotiated
  uint32_t max_discard_sectors = 0;
  uint32_t max_write_zeroes_sectors = 0;
};

struct Request {
  Kind kind = Kind::kRead;
  uint8_t status = kStatusOk;  // not OK: give it back with this; out of range counts as `invalid`
  bool invalid = false;
  bool unmap = false;    // kWriteZeroes
  uint64_t offset = 0;   // bytes on the disk
  uint64_t bytes = 0;    // on the disk; kGetId: room in the chain
  uint64_t data_at = 0;  // where the data starts in the chain's readable (writable) part
};

// Whether a request that was accepted still lies on the disk, which may have shrunk since.
bool Fits(const Request& request, const Limits& limits);

// Error: there is no place for a header or for a status, so no answer can be given either.
Result<Request> Parse(const DescriptorChain& chain, const Limits& limits);

}  // namespace davit::virtio::block
