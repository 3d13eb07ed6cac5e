// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ring.h.
#include "vmm/virtio/testing/ring.h"

#include <utility>

#include "vmm/base/check.h"

namespace davit::virtio::testing {

uint64_t RingBytes(uint16_t size) {
  return 16 * uint64_t{size} + 8 + 2 * uint64_t{size} + 8 + 8 * uint64_t{size} + 64;
}

RingPlace PlaceRing(uint64_t base, uint16_t size) {
  RingPlace place;
  place.size = size;
  place.descriptors = base;
  place.driver = base + 16 * uint64_t{size};
  place.device = (place.driver + 6 + 2 * uint64_t{size} + 15) & ~uint64_t{15};
  return place;
}

DriverRing::DriverRing(const memory::GuestMemory& memory, const RingPlace& place, bool event_idx)
    : memory_(memory), place_(place), event_idx_(event_idx) {
  auto window = memory::GuestWindow::Create(memory, {place.descriptors}, RingBytes(place.size));
  DAVIT_CHECK(window);
  window_ = std::move(*window);
}

std::unique_ptr<DriverRing> DriverRing::Create(const memory::GuestMemory& memory,
                                               const RingPlace& place, bool packed,
                                               bool event_idx) {
  if (packed) return std::make_unique<PackedDriverRing>(memory, place, event_idx);
  return std::make_unique<SplitDriverRing>(memory, place, event_idx);
}

SplitDriverRing::SplitDriverRing(const memory::GuestMemory& memory, const RingPlace& place,
                                 bool event_idx)
    : DriverRing(memory, place, event_idx), taken_(place.size) {
  for (uint16_t i = place.size; i-- > 0;) free_.push_back(i);
}

void SplitDriverRing::SetDescriptor(uint16_t index, uint64_t address, uint32_t length,
                                    uint16_t flags, uint16_t next) const {
  const uint64_t at = place_.descriptors + 16 * uint64_t{index};
  Put(at, address);
  Put(at + 8, length);
  Put(at + 12, flags);
  Put(at + 14, next);
}

void SplitDriverRing::PublishHead(uint16_t head) {
  Put<uint16_t>(place_.driver + 4 + 2 * uint64_t(available_ % place_.size), head);
  SetAvailableIndex(available_ + 1);
}

void SplitDriverRing::SetAvailableIndex(uint16_t index) {
  available_ = index;
  Put<uint16_t>(place_.driver + 2, available_);
}

uint16_t SplitDriverRing::Publish(const std::vector<RingBuffer>& buffers) {
  DAVIT_CHECK(!buffers.empty() && buffers.size() <= free_.size());
  std::vector<uint16_t> chain;
  for (size_t i = 0; i < buffers.size(); ++i) {
    chain.push_back(free_.back());
    free_.pop_back();
  }
  for (size_t i = 0; i < buffers.size(); ++i) {
    const bool last = i + 1 == buffers.size();
    SetDescriptor(chain[i], buffers[i].address, buffers[i].length,
                  buffers[i].flags | (last ? 0 : kNext), last ? 0 : chain[i + 1]);
  }
  const uint16_t head = chain.front();
  taken_[head] = std::move(chain);
  PublishHead(head);
  return head;
}

std::optional<RingUsed> SplitDriverRing::TakeUsed() {
  if (Get<uint16_t>(place_.device + 2) == used_) return std::nullopt;
  const uint64_t at = place_.device + 4 + 8 * uint64_t(used_ % place_.size);
  ++used_;
  const auto id = Get<uint32_t>(at);
  DAVIT_CHECK(id < place_.size);
  for (const uint16_t index : taken_[id]) free_.push_back(index);
  taken_[id].clear();
  return RingUsed{static_cast<uint16_t>(id), Get<uint32_t>(at + 4)};
}

void SplitDriverRing::WantInterrupt(bool wanted) {
  if (event_idx_) {
    const uint16_t event = wanted ? used_ : static_cast<uint16_t>(used_ - 1);
    Put<uint16_t>(place_.driver + 4 + 2 * uint64_t{place_.size}, event);
  } else {
    Put<uint16_t>(place_.driver, wanted ? 0 : 1);
  }
}

bool SplitDriverRing::KickWanted() {
  const auto added = static_cast<uint16_t>(available_ - kicked_);
  kicked_ = available_;
  if (added == 0) return false;
  if (!event_idx_) return (Get<uint16_t>(place_.device) & 1) == 0;
  const auto event = Get<uint16_t>(place_.device + 4 + 8 * uint64_t{place_.size});
  return static_cast<uint16_t>(available_ - event - 1) < added;
}

PackedDriverRing::PackedDriverRing(const memory::GuestMemory& memory, const RingPlace& place,
                                   bool event_idx)
    : DriverRing(memory, place, event_idx), slots_of_(place.size), free_slots_(place.size) {
  for (uint16_t i = place.size; i-- > 0;) free_ids_.push_back(i);
}

void PackedDriverRing::PutDescriptor(uint16_t slot, uint64_t address, uint32_t length, uint16_t id,
                                     uint16_t flags) {
  const uint64_t at = place_.descriptors + 16 * uint64_t{slot};
  Put(at, address);
  Put(at + 8, length);
  Put(at + 12, id);
  Put(at + 14, flags);
}

uint16_t PackedDriverRing::Publish(const std::vector<RingBuffer>& buffers) {
  DAVIT_CHECK(!buffers.empty() && buffers.size() <= free_slots_ && !free_ids_.empty());
  const uint16_t id = free_ids_.back();
  free_ids_.pop_back();
  const uint64_t first = available_;
  uint16_t first_flags = 0;
  for (size_t i = 0; i < buffers.size(); ++i, ++available_) {
    const bool even_lap = available_ / place_.size % 2 == 0;  // the wrap counter is 1
    uint16_t flags = buffers[i].flags | (even_lap ? 1 << 7 : 1 << 15);
    if (i + 1 != buffers.size()) flags |= kNext;
    if (i == 0) first_flags = flags;
    // The first one becomes available last: until then its flags are those of a used one.
    if (i == 0) flags ^= 1 << 7;
    PutDescriptor(static_cast<uint16_t>(available_ % place_.size), buffers[i].address,
                  buffers[i].length, id, flags);
  }
  Put(place_.descriptors + 16 * (first % place_.size) + 14, first_flags);
  slots_of_[id] = static_cast<uint16_t>(buffers.size());
  free_slots_ -= static_cast<uint32_t>(buffers.size());
  return id;
}

void PackedDriverRing::PublishRaw(uint64_t address, uint32_t length, uint16_t id, uint16_t flags) {
  const bool even_lap = available_ / place_.size % 2 == 0;
  PutDescriptor(static_cast<uint16_t>(available_ % place_.size), address, length, id,
                flags | (even_lap ? 1 << 7 : 1 << 15));
  ++available_;
}

std::optional<RingUsed> PackedDriverRing::TakeUsed() {
  const uint64_t at = place_.descriptors + 16 * (used_ % place_.size);
  const auto flags = Get<uint16_t>(at + 14);
  const bool even_lap = used_ / place_.size % 2 == 0;
  const bool avail = flags & 1 << 7, used = flags & 1 << 15;
  if (avail != used || used != even_lap) return std::nullopt;
  const auto id = Get<uint16_t>(at + 12);
  DAVIT_CHECK(id < place_.size);
  used_ += slots_of_[id] == 0 ? 1 : slots_of_[id];
  free_slots_ += slots_of_[id];
  if (slots_of_[id] != 0) free_ids_.push_back(id);
  slots_of_[id] = 0;
  // Without the write flag the length means nothing (2.8.4).
  return RingUsed{id, flags & kWrite ? Get<uint32_t>(at + 8) : 0};
}

void PackedDriverRing::WantInterrupt(bool wanted) {
  if (wanted && event_idx_) {
    const bool even_lap = used_ / place_.size % 2 == 0;
    Put(place_.driver,
        static_cast<uint16_t>(used_ % place_.size | (even_lap ? uint64_t{1} << 15 : 0)));
    Put<uint16_t>(place_.driver + 2, 2);
  } else {
    Put<uint16_t>(place_.driver + 2, wanted ? 0 : 1);
  }
}

bool PackedDriverRing::KickWanted() {
  const uint64_t before = kicked_;
  kicked_ = available_;
  if (available_ == before) return false;
  const auto flags = Get<uint16_t>(place_.device + 2);
  if (flags != 2) return flags == 0;
  const auto event = Get<uint16_t>(place_.device);
  // Positions in [before, available_) are at most one lap: is the event among them?
  for (uint64_t position = before; position < available_; ++position) {
    const bool even_lap = position / place_.size % 2 == 0;
    if (position % place_.size == (event & 0x7fff) && even_lap == (event >> 15 != 0)) return true;
  }
  return false;
}

}  // namespace davit::virtio::testing
