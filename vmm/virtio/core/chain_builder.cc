// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See chain_builder.h.
#include "vmm/virtio/core/chain_builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace davit::virtio {
namespace {

// As many as QEMU takes: drivers make indirect tables longer than a small queue.
constexpr uint32_t kMaxDescriptors = 1024;
constexpr uint64_t kMaxBytes = uint64_t{1} << 32;

// Reads a table of `count` descriptors, each of them once, the first ones in one go.
template <typename Descriptor>
class Table {
 public:
  Table(const memory::GuestMemory& memory, uint64_t address, uint32_t count)
      : memory_(memory), address_(address), fetched_(std::min<uint32_t>(count, kAhead)) {}
  Status Fetch() {
    return memory_.Read({address_}, std::as_writable_bytes(std::span(ahead_).first(fetched_)));
  }
  Result<Descriptor> At(uint32_t i) const {
    if (i < fetched_) return ahead_[i];
    return memory_.Read<Descriptor>({address_ + uint64_t{i} * sizeof(Descriptor)});
  }

 private:
  static constexpr uint32_t kAhead = 24;
  const memory::GuestMemory& memory_;
  const uint64_t address_;
  const uint32_t fetched_;
  std::array<Descriptor, kAhead> ahead_;
};

}  // namespace

ChainBuilder::ChainBuilder(ChainState& state, uint16_t queue_size)
    : state_(state), limit_(std::max<uint32_t>(queue_size, kMaxDescriptors)) {
  state_.buffers.clear();
  state_.readable_count = 0;
  state_.readable_bytes = state_.writable_bytes = 0;
}

Status ChainBuilder::Add(uint64_t address, uint32_t length, bool writable) {
  if (length == 0) return Fail("zero sized buffers are not allowed");
  if (state_.buffers.size() == limit_) {
    return Fail(fmt::format("descriptor chain of more than {} descriptors", limit_));
  }
  if (!state_.memory.Contains({address}, length)) {
    return Fail(fmt::format("descriptor at guest address 0x{:x} length 0x{:x} is not RAM", address,
                            length));
  }
  if (writable) {
    state_.writable_bytes += length;
  } else if (state_.readable_count != state_.buffers.size()) {
    return Fail("incorrect order for descriptors: a readable one after a writable one");
  } else {
    ++state_.readable_count;
    state_.readable_bytes += length;
  }
  state_.buffers.push_back({{address}, length});
  return {};
}

Result<uint32_t> ChainBuilder::CheckTable(uint64_t address, uint32_t length) {
  if (length == 0 || length % sizeof(SplitDescriptor) != 0) {
    return Fail(fmt::format("invalid size for indirect buffer table: {}", length));
  }
  if (!state_.memory.Contains({address}, length)) {
    return Fail(fmt::format(
        "indirect buffer table at guest address 0x{:x} length 0x{:x} is not RAM", address, length));
  }
  return static_cast<uint32_t>(length / sizeof(SplitDescriptor));
}

Status ChainBuilder::AddSplitTable(uint64_t address, uint32_t length) {
  DAVIT_ASSIGN(const uint32_t count, CheckTable(address, length));
  Table<SplitDescriptor> table(state_.memory, address, count);
  DAVIT_TRY(table.Fetch());
  uint32_t index = 0;
  for (uint32_t seen = 0;; ++seen) {
    if (seen == count) return Fail("looped descriptor in an indirect buffer table");
    DAVIT_ASSIGN(const SplitDescriptor descriptor, table.At(index));
    const uint16_t flags = descriptor.flags;
    if (flags & kDescIndirect) return Fail("indirect descriptor inside an indirect buffer table");
    DAVIT_TRY(Add(descriptor.address, descriptor.length, flags & kDescWrite));
    if (!(flags & kDescNext)) return {};
    index = descriptor.next;
    if (index >= count) return Fail(fmt::format("descriptor next is {}, of {}", index, count));
  }
}

Status ChainBuilder::AddPackedTable(uint64_t address, uint32_t length) {
  DAVIT_ASSIGN(const uint32_t count, CheckTable(address, length));
  if (count > limit_) return Fail(fmt::format("indirect buffer table of {} entries", count));
  Table<PackedDescriptor> table(state_.memory, address, count);
  DAVIT_TRY(table.Fetch());
  for (uint32_t i = 0; i < count; ++i) {
    DAVIT_ASSIGN(const PackedDescriptor descriptor, table.At(i));
    const uint16_t flags = descriptor.flags;  // WRITE alone means something here (2.8.7)
    if (flags & kDescIndirect) return Fail("indirect descriptor inside an indirect buffer table");
    DAVIT_TRY(Add(descriptor.address, descriptor.length, flags & kDescWrite));
  }
  return {};
}

Status ChainBuilder::Finish() const {
  if (state_.readable_bytes + state_.writable_bytes <= kMaxBytes) return {};
  return Fail("descriptor chain of more than 2^32 bytes");
}

}  // namespace davit::virtio
