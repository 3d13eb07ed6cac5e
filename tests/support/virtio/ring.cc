// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ring.h.
#include "tests/support/virtio/ring.h"

#include <algorithm>

namespace davit::qtest {

Request& Request::Readable(std::span<const uint8_t> bytes) {
  parts_.push_back({std::nullopt, static_cast<uint32_t>(bytes.size()), false,
                    std::vector<uint8_t>(bytes.begin(), bytes.end())});
  return *this;
}

Request& Request::Readable(std::string_view text) {
  return Readable(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

Request& Request::Writable(uint32_t length) {
  parts_.push_back({std::nullopt, length, true, {}});
  return *this;
}

Request& Request::At(uint64_t address, uint32_t length, bool writable) {
  parts_.push_back({address, length, writable, {}});
  return *this;
}

Request& Request::Indirect() {
  indirect_ = true;
  return *this;
}

uint16_t Ring::Add(const Request& request) {
  std::vector<Segment> segments;
  for (const Request::Part& part : request.parts_) {
    const uint64_t address = part.address ? *part.address : machine_.Allocate(part.length);
    machine_.WriteBytes(address, part.bytes);
    segments.push_back({address, part.length, part.writable});
  }
  const uint16_t id = Publish(segments, request.indirect_);
  outstanding_[id] = std::move(segments);
  return id;
}

std::optional<Used> Ring::Take() {
  const auto returned = TakeReturned();
  if (!returned) return std::nullopt;
  const auto it = outstanding_.find(returned->id);
  if (it == outstanding_.end()) machine_.Die("the device gave back what it was not given");
  Used used{returned->id, returned->length, {}};
  uint32_t left = used.length;
  for (const Segment& segment : it->second) {
    if (!segment.writable || left == 0) continue;
    const uint32_t length = std::min(left, segment.length);
    const auto bytes = machine_.ReadBytes(segment.address, length);
    used.bytes.insert(used.bytes.end(), bytes.begin(), bytes.end());
    left -= length;
  }
  outstanding_.erase(it);
  return used;
}

// --- split (2.7) ------------------------------------------------------------------------------

namespace {

constexpr uint16_t kNoInterrupt = 1, kNoNotify = 1;

// 2.7.10: whether `event` lies in what was added from `before` to `now`.
bool Passed(uint16_t event, uint16_t now, uint16_t before) {
  return static_cast<uint16_t>(now - event - 1) < static_cast<uint16_t>(now - before);
}

}  // namespace

SplitRing::SplitRing(Machine& machine, uint16_t size, bool event_idx)
    : Ring(machine, size, event_idx) {
  desc_ = machine.Allocate(16 * uint64_t{size}, 4096);
  driver_ = machine.Allocate(6 + 2 * uint64_t{size}, 4096);
  device_ = machine.Allocate(6 + 8 * uint64_t{size}, 4096);
  machine.Fill(desc_, device_ + 6 + 8 * uint64_t{size} - desc_, 0);
  for (uint16_t i = size; i > 0; --i) free_.push_back(static_cast<uint16_t>(i - 1));
}

void SplitRing::WriteDescriptor(uint64_t at, const Segment& segment, uint16_t flags,
                                uint16_t next) {
  struct {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
  } const descriptor = {segment.address, segment.length, flags, next};
  machine_.Store(at, descriptor);
}

uint16_t SplitRing::Publish(const std::vector<Segment>& segments, bool indirect) {
  const size_t need = indirect ? 1 : segments.size();
  if (need == 0 || free_.size() < need) machine_.Die("the ring is full, or the chain empty");
  std::vector<uint16_t> chain(free_.end() - static_cast<ptrdiff_t>(need), free_.end());
  free_.resize(free_.size() - need);
  std::reverse(chain.begin(), chain.end());
  const uint64_t table =
      indirect ? machine_.Allocate(16 * std::max<uint64_t>(1, segments.size())) : desc_;
  for (size_t i = 0; i < segments.size(); ++i) {
    const bool last = i + 1 == segments.size();
    const auto flags =
        static_cast<uint16_t>((segments[i].writable ? kWrite : 0) | (last ? 0 : kNext));
    const size_t slot = indirect ? i : chain[i];
    const size_t next = last ? 0 : (indirect ? i + 1 : chain[i + 1]);
    WriteDescriptor(table + 16 * slot, segments[i], flags, static_cast<uint16_t>(next));
  }
  if (indirect) {
    WriteDescriptor(desc_ + 16 * uint64_t{chain[0]},
                    {table, static_cast<uint32_t>(16 * segments.size()), false}, kIndirect, 0);
  }
  machine_.Write(driver_ + 4 + 2 * uint64_t{static_cast<uint16_t>(avail_ % size_)}, 2, chain[0]);
  machine_.Write(driver_ + 2, 2, ++avail_);
  const uint16_t head = chain[0];
  chains_[head] = std::move(chain);
  return head;
}

bool SplitRing::WantsKick() {
  const uint16_t before = std::exchange(kicked_, avail_);
  if (event_idx_) {
    const auto event = static_cast<uint16_t>(machine_.Read(device_ + 4 + 8 * uint64_t{size_}, 2));
    return Passed(event, avail_, before);
  }
  return (machine_.Read(device_, 2) & kNoNotify) == 0;
}

std::optional<Ring::Returned> SplitRing::TakeReturned() {
  if (static_cast<uint16_t>(machine_.Read(device_ + 2, 2)) == used_) return std::nullopt;
  const uint64_t element =
      machine_.Read(device_ + 4 + 8 * uint64_t{static_cast<uint16_t>(used_ % size_)}, 8);
  ++used_;
  if (event_idx_) machine_.Write(driver_ + 4 + 2 * uint64_t{size_}, 2, used_);
  const auto id = static_cast<uint16_t>(element);
  if (auto it = chains_.find(id); it != chains_.end()) {
    free_.insert(free_.end(), it->second.rbegin(), it->second.rend());
    chains_.erase(it);
  }
  return Returned{id, static_cast<uint32_t>(element >> 32)};
}

void SplitRing::SetInterrupts(bool on) {
  // With EVENT_IDX: half the index space away is as good as never.
  if (event_idx_) {
    machine_.Write(driver_ + 4 + 2 * uint64_t{size_}, 2,
                   on ? used_ : static_cast<uint16_t>(used_ + 0x8000));
  }
  machine_.Write(driver_, 2, !event_idx_ && !on ? kNoInterrupt : 0);
}

// --- packed (2.8) -----------------------------------------------------------------------------

namespace {

constexpr uint16_t kEventOn = 0, kEventOff = 1, kEventAt = 2;

}  // namespace

PackedRing::PackedRing(Machine& machine, uint16_t size, bool event_idx)
    : Ring(machine, size, event_idx), free_slots_(size) {
  desc_ = machine.Allocate(16 * uint64_t{size}, 4096);
  driver_ = machine.Allocate(4, 4);
  device_ = machine.Allocate(4, 4);
  machine.Fill(desc_, device_ + 4 - desc_, 0);
  for (uint16_t i = size; i > 0; --i) ids_.push_back(static_cast<uint16_t>(i - 1));
}

uint16_t PackedRing::Publish(const std::vector<Segment>& segments, bool indirect) {
  const auto need = static_cast<uint16_t>(indirect ? 1 : segments.size());
  if (need == 0 || need > free_slots_ || ids_.empty()) {
    machine_.Die("the ring is full, or the chain empty");
  }
  const uint16_t id = ids_.back();
  ids_.pop_back();
  std::vector<Segment> ring = segments;
  if (indirect) {
    const uint64_t table = machine_.Allocate(16 * segments.size());
    for (size_t i = 0; i < segments.size(); ++i) {
      machine_.Write(table + 16 * i, 8, segments[i].address);
      machine_.Write(
          table + 16 * i + 8, 8,
          segments[i].length | uint64_t{segments[i].writable ? kWrite : uint16_t{0}} << 48);
    }
    ring = {{table, static_cast<uint32_t>(16 * segments.size()), false}};
  }
  // The first descriptor's flags last: they make the chain visible.
  const uint16_t first = next_;
  uint64_t first_word = 0;
  for (size_t i = 0; i < ring.size(); ++i) {
    uint16_t flags = ring[i].writable ? kWrite : 0;
    if (i + 1 < ring.size()) flags |= kNext;
    if (indirect) flags |= kIndirect;
    flags |= wrap_ ? kAvail : kUsed;
    const uint64_t word = ring[i].length | uint64_t{id} << 32 | uint64_t{flags} << 48;
    machine_.Write(Slot(next_), 8, ring[i].address);
    if (i == 0) {
      first_word = word;
    } else {
      machine_.Write(Slot(next_) + 8, 8, word);
    }
    if (++next_ == size_) {
      next_ = 0;
      wrap_ = !wrap_;
    }
  }
  machine_.Write(Slot(first) + 8, 8, first_word);
  free_slots_ = static_cast<uint16_t>(free_slots_ - need);
  added_since_kick_ = static_cast<uint16_t>(added_since_kick_ + need);
  slots_[id] = need;
  return id;
}

bool PackedRing::WantsKick() {
  const uint16_t added = std::exchange(added_since_kick_, 0);
  const auto event = static_cast<uint32_t>(machine_.Read(device_, 4));
  const uint32_t flags = event >> 16 & 3;
  if (flags != kEventAt) return flags == kEventOn;
  // 2.8.10, with the wrap counter in bit 15.
  uint16_t at = event & 0x7fff;
  if ((event >> 15 & 1) != static_cast<uint32_t>(wrap_)) at = static_cast<uint16_t>(at - size_);
  return Passed(at, next_, static_cast<uint16_t>(next_ - added));
}

std::optional<Ring::Returned> PackedRing::TakeReturned() {
  const uint64_t word = machine_.Read(Slot(used_next_) + 8, 8);
  const auto flags = static_cast<uint16_t>(word >> 48);
  const bool avail = (flags & kAvail) != 0, used = (flags & kUsed) != 0;
  if (avail != used || used != used_wrap_) return std::nullopt;
  const auto id = static_cast<uint16_t>(word >> 32);
  const auto it = slots_.find(id);
  if (it == slots_.end()) machine_.Die("the device gave back what it was not given");
  used_next_ = static_cast<uint16_t>(used_next_ + it->second);
  if (used_next_ >= size_) {
    used_next_ = static_cast<uint16_t>(used_next_ - size_);
    used_wrap_ = !used_wrap_;
  }
  free_slots_ = static_cast<uint16_t>(free_slots_ + it->second);
  slots_.erase(it);
  ids_.push_back(id);
  if (event_idx_) SetInterrupts(true);
  return Returned{id, static_cast<uint32_t>(word)};
}

void PackedRing::SetInterrupts(bool on) {
  if (!on) {
    machine_.Write(driver_, 4, uint32_t{kEventOff} << 16);
  } else if (event_idx_) {
    machine_.Write(driver_, 4, used_next_ | uint32_t{used_wrap_} << 15 | uint32_t{kEventAt} << 16);
  } else {
    machine_.Write(driver_, 4, uint32_t{kEventOn} << 16);
  }
}

}  // namespace davit::qtest
