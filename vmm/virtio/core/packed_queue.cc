// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See packed_queue.h.
#include "vmm/virtio/core/packed_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <span>
#include <utility>

#include "vmm/virtio/core/chain_builder.h"
#include "vmm/virtio/core/features.h"

namespace davit::virtio {
namespace {

constexpr uint16_t kMaxSize = 32768;  // 2.8.10.1
constexpr uint16_t kAvail = 1 << 7;   // descriptor flags (2.8.1)
constexpr uint16_t kUsed = 1 << 15;
constexpr uint64_t kDescriptorFlags = 14;  // offset in a descriptor
// Event suppression structure (2.8.14).
constexpr uint64_t kEventPosition = 0;
constexpr uint64_t kEventFlags = 2;
constexpr uint64_t kEventSize = 4;
constexpr uint16_t kEventsOff = 1;
constexpr uint16_t kEventsAtPosition = 2;
constexpr uint16_t kPositionWrap = 1 << 15;

}  // namespace

PackedQueue::PackedQueue(uint64_t features, memory::GuestMemory memory, QueueInterrupt interrupt)
    : VirtQueue(features, std::move(memory), std::move(interrupt)) {}

Status PackedQueue::OpenRing(const QueueConfig& config) {
  const uint16_t max_size = std::min(config.max_size, kMaxSize);
  if (config.size == 0 || config.size > max_size) {
    return Fail(fmt::format("queue size {} is not between 1 and {}", config.size, max_size));
  }
  DAVIT_ASSIGN(ring_,
               OpenPart("descriptor ring", config.descriptors, 16, uint64_t{16} * config.size));
  DAVIT_ASSIGN(driver_events_, OpenPart("driver event suppression", config.driver, 4, kEventSize));
  DAVIT_ASSIGN(device_events_, OpenPart("device event suppression", config.device, 4, kEventSize));
  ring_size_ = config.size;
  available_ = used_ = {};
  busy_slots_ = 0;
  unsignalled_ = 0;
  busy_.assign(size_t{1} << 16, false);
  return {};
}

void PackedQueue::Advance(Position& position, uint16_t slots) const {
  const uint32_t slot = uint32_t{position.slot} + slots;
  position.slot = static_cast<uint16_t>(slot >= ring_size_ ? slot - ring_size_ : slot);
  if (slot >= ring_size_) position.wrap = !position.wrap;
}

bool PackedQueue::Available() const {
  const uint16_t flags = ring_.LoadAcquire16(16 * uint64_t{available_.slot} + kDescriptorFlags);
  const bool avail = flags & kAvail, used = flags & kUsed;
  return avail == available_.wrap && used != available_.wrap;
}

Result<bool> PackedQueue::PopRing(ChainState& state) {
  // With all slots in flight the next one is not the driver's to fill (its flags are old).
  if (!RequestWaits()) return false;
  DAVIT_TRY(Walk(state));
  if (busy_[state.id]) return Fail(fmt::format("guest queued buffer id {} again", state.id));
  busy_[state.id] = true;
  busy_slots_ += state.descriptors;
  Advance(available_, state.descriptors);
  return true;
}

Status PackedQueue::Walk(ChainState& state) {
  ChainBuilder builder(state, ring_size_);
  Position at = available_;
  for (uint16_t seen = 0;; ++seen) {
    if (seen == ring_size_ - busy_slots_) {
      return Fail("descriptor chain goes on into slots that are in flight");
    }
    PackedDescriptor descriptor;
    ring_.Read(16 * uint64_t{at.slot}, std::as_writable_bytes(std::span(&descriptor, 1)));
    const uint16_t flags = descriptor.flags;
    if (flags & kDescIndirect) {
      if (!Negotiated(kFeatureIndirectDesc)) {
        return Fail("indirect descriptor without VIRTIO_F_INDIRECT_DESC");
      }
      if (flags & kDescNext) return Fail("indirect descriptor with a next one");
      DAVIT_TRY(builder.AddPackedTable(descriptor.address, descriptor.length));
    } else {
      DAVIT_TRY(builder.Add(descriptor.address, descriptor.length, flags & kDescWrite));
    }
    if (!(flags & kDescNext)) {
      state.id = descriptor.id;  // of the last one (2.8.6)
      state.descriptors = seen + 1;
      return builder.Finish();
    }
    Advance(at, 1);
  }
}

void PackedQueue::UnpopRing(const ChainState& state) {
  busy_[state.id] = false;
  busy_slots_ -= state.descriptors;
  if (available_.slot < state.descriptors) {
    available_.slot += ring_size_;
    available_.wrap = !available_.wrap;
  }
  available_.slot -= state.descriptors;
}

void PackedQueue::CompleteRing(const ChainState& state, uint32_t written) {
  const uint64_t at = 16 * uint64_t{used_.slot};
  const struct {
    le32 length;
    le16 id;
  } element{written, state.id};
  static_assert(sizeof(element) == 6);
  ring_.Write(at + 8, std::as_bytes(std::span(&element, 1)));
  uint16_t flags = used_.wrap ? kAvail | kUsed : 0;
  if (written != 0) flags |= kDescWrite;
  if (held_ && !first_held_) {
    first_held_ = {at + kDescriptorFlags, flags};
  } else {
    ring_.StoreRelease16(at + kDescriptorFlags, flags);
  }
  busy_[state.id] = false;
  busy_slots_ -= state.descriptors;
  unsignalled_ += state.descriptors;
  Advance(used_, state.descriptors);
}

// The driver reads the ring in order: what lies behind the first is not seen before it.
void PackedQueue::PublishRing() {
  held_ = false;
  if (first_held_) ring_.StoreRelease16(first_held_->offset, first_held_->flags);
  first_held_.reset();
}

bool PackedQueue::InterruptWanted() {
  if (unsignalled_ == 0) return false;
  const uint32_t completed = std::exchange(unsignalled_, 0);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const uint16_t flags = driver_events_.LoadAcquire16(kEventFlags) & 3;
  if (flags != kEventsAtPosition || !Negotiated(kFeatureEventIdx)) return flags != kEventsOff;
  const uint16_t position = driver_events_.Load16(kEventPosition);
  // How many slots before used_ the driver wants to hear of: among those just given back?
  int back = int{used_.slot} - (position & ~kPositionWrap);
  if (((position & kPositionWrap) != 0) != used_.wrap) back += ring_size_;
  return back > 0 && static_cast<uint32_t>(back) <= completed;
}

bool PackedQueue::RequestWaits() const { return busy_slots_ != ring_size_ && Available(); }

bool PackedQueue::ArmKicks() {
  if (Negotiated(kFeatureEventIdx)) {
    const uint16_t wrap = available_.wrap ? kPositionWrap : 0;
    device_events_.Store16(kEventPosition, available_.slot | wrap);
    device_events_.StoreRelease16(kEventFlags, kEventsAtPosition);
  } else {
    device_events_.Store16(kEventFlags, 0);
  }
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return RequestWaits();
}

void PackedQueue::DisarmKicks() { device_events_.Store16(kEventFlags, kEventsOff); }

}  // namespace davit::virtio
