// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See split_queue.h.
#include "vmm/virtio/core/split_queue.h"

#include <fmt/format.h>

#include <atomic>
#include <bit>
#include <span>
#include <utility>

#include "vmm/virtio/core/chain_builder.h"
#include "vmm/virtio/core/features.h"

namespace davit::virtio {
namespace {

// Both rings: flags, index, elements, event index (2.7.6, 2.7.8).
constexpr uint64_t kFlags = 0;
constexpr uint64_t kIndex = 2;
constexpr uint64_t kRing = 4;
constexpr uint16_t kNoInterrupt = 1;  // available ring's flags
constexpr uint16_t kNoNotify = 1;     // used ring's flags

struct UsedElement {
  le32 id;
  le32 length;
};
static_assert(sizeof(UsedElement) == 8);

}  // namespace

SplitQueue::SplitQueue(uint64_t features, memory::GuestMemory memory, QueueInterrupt interrupt)
    : VirtQueue(features, std::move(memory), std::move(interrupt)) {}

Status SplitQueue::OpenRing(const QueueConfig& config) {
  if (config.size == 0 || config.size > config.max_size || !std::has_single_bit(config.size)) {
    return Fail(
        fmt::format("queue size {} is not a power of two up to {}", config.size, config.max_size));
  }
  const uint64_t n = config.size;
  DAVIT_ASSIGN(descriptors_, OpenPart("descriptor table", config.descriptors, 16, 16 * n));
  DAVIT_ASSIGN(available_, OpenPart("available ring", config.driver, 2, 6 + 2 * n));
  DAVIT_ASSIGN(used_, OpenPart("used ring", config.device, 4, 6 + 8 * n));
  ring_size_ = config.size;
  next_available_ = seen_available_ = used_index_ = signalled_ = 0;
  busy_.assign(n, false);
  return {};
}

Result<bool> SplitQueue::PopRing(ChainState& state) {
  if (next_available_ == seen_available_) {
    const uint16_t index = available_.LoadAcquire16(kIndex);
    if (index == next_available_) return false;
    if (static_cast<uint16_t>(index - next_available_) > ring_size_) {
      return Fail(fmt::format("guest moved available index from {} to {} in a queue of {}",
                              next_available_, index, ring_size_));
    }
    seen_available_ = index;
  }
  const uint16_t head = available_.Load16(kRing + 2 * (next_available_ % ring_size_));
  if (head >= ring_size_) return Fail(fmt::format("guest says index {} is available", head));
  if (busy_[head]) return Fail(fmt::format("guest queued descriptor {} again", head));
  DAVIT_TRY(Walk(head, state));
  state.id = head;
  busy_[head] = true;
  ++next_available_;
  return true;
}

Status SplitQueue::Walk(uint16_t head, ChainState& state) {
  ChainBuilder builder(state, ring_size_);
  uint16_t index = head;
  for (uint16_t seen = 0;; ++seen) {
    if (seen == ring_size_) return Fail("looped descriptor");
    SplitDescriptor descriptor;
    descriptors_.Read(16 * index, std::as_writable_bytes(std::span(&descriptor, 1)));
    const uint16_t flags = descriptor.flags;
    if (flags & kDescIndirect) {
      if (!Negotiated(kFeatureIndirectDesc)) {
        return Fail("indirect descriptor without VIRTIO_F_INDIRECT_DESC");
      }
      if (flags & kDescNext) return Fail("indirect descriptor with a next one");
      DAVIT_TRY(builder.AddSplitTable(descriptor.address, descriptor.length));
    } else {
      DAVIT_TRY(builder.Add(descriptor.address, descriptor.length, flags & kDescWrite));
    }
    if (!(flags & kDescNext)) {
      state.descriptors = seen + 1;
      return builder.Finish();
    }
    index = descriptor.next;
    if (index >= ring_size_) {
      return Fail(fmt::format("descriptor next is {}, of {}", index, ring_size_));
    }
  }
}

void SplitQueue::UnpopRing(const ChainState& state) {
  --next_available_;
  busy_[state.id] = false;
}

void SplitQueue::CompleteRing(const ChainState& state, uint32_t written) {
  const UsedElement element{state.id, written};
  used_.Write(kRing + 8 * (used_index_ % ring_size_), std::as_bytes(std::span(&element, 1)));
  busy_[state.id] = false;
  ++used_index_;
  if (!held_) used_.StoreRelease16(kIndex, used_index_);
}

void SplitQueue::PublishRing() {
  held_ = false;
  used_.StoreRelease16(kIndex, used_index_);
}

bool SplitQueue::InterruptWanted() {
  if (used_index_ == signalled_) return false;
  const auto completed = static_cast<uint16_t>(used_index_ - signalled_);
  signalled_ = used_index_;
  // The driver writes its wish, then looks at the used index; here the other way round.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!Negotiated(kFeatureEventIdx)) return !(available_.Load16(kFlags) & kNoInterrupt);
  const uint16_t event = available_.Load16(kRing + 2 * ring_size_);
  // True when `event` is one of those just completed (2.7.10).
  return static_cast<uint16_t>(used_index_ - event - 1) < completed;
}

bool SplitQueue::RequestWaits() const {
  return available_.LoadAcquire16(kIndex) != next_available_;
}

bool SplitQueue::ArmKicks() {
  if (Negotiated(kFeatureEventIdx)) {
    used_.Store16(kRing + 8 * ring_size_, next_available_);
  } else {
    used_.Store16(kFlags, 0);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return RequestWaits();
}

void SplitQueue::DisarmKicks() {
  if (Negotiated(kFeatureEventIdx)) {
    // Behind what the driver queues next: it passes there again in 65535 requests only.
    used_.Store16(kRing + 8 * ring_size_, static_cast<uint16_t>(next_available_ - 1));
  } else {
    used_.Store16(kFlags, kNoNotify);
  }
}

}  // namespace davit::virtio
