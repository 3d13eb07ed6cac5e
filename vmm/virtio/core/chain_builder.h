// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Fills a ChainState descriptor by descriptor and holds the rules of a chain (virtio 1.2, 2.7.5.3,
// 2.8.5 to 2.8.7) that split and packed rings share. Each descriptor is a copy: what is checked is
// what is used. Used inside one Pop(); device's lock held.
#pragma once

#include <cstdint>

#include "vmm/base/endian.h"
#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/virtio/core/chain.h"

namespace davit::virtio {

inline constexpr uint16_t kDescNext = 1;
inline constexpr uint16_t kDescWrite = 2;
inline constexpr uint16_t kDescIndirect = 4;

// A descriptor of a split ring (2.7.5).
struct SplitDescriptor {
  le64 address;
  le32 length;
  le16 flags;
  le16 next;
};
static_assert(sizeof(SplitDescriptor) == 16);

// A descriptor of a packed ring (2.8.13).
struct PackedDescriptor {
  le64 address;
  le32 length;
  le16 id;
  le16 flags;
};
static_assert(sizeof(PackedDescriptor) == 16);

class ChainBuilder {
 public:
  // Empties `state`, which keeps its memory and its room. queue_size: for the length limit.
  ChainBuilder(ChainState& state, uint16_t queue_size);

  Status Add(uint64_t address, uint32_t length, bool writable);
  // The buffers of an indirect table of a split ring (linked by next) or a packed one (in order).
  Status AddSplitTable(uint64_t address, uint32_t length);
  Status AddPackedTable(uint64_t address, uint32_t length);
  // The whole chain: sums.
  Status Finish() const;

 private:
  Result<uint32_t> CheckTable(uint64_t address, uint32_t length);  // entries

  ChainState& state_;
  const uint32_t limit_;  // descriptors
};

}  // namespace davit::virtio
