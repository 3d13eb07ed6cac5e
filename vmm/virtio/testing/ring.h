// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A virtqueue as a driver writes it (virtio 1.2, 2.7 and 2.8), written apart from the device's side
// so that a misreading of the specification shows. What it writes is not checked: tests make it
// break the rules. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "vmm/memory/guest_memory.h"
#include "vmm/memory/guest_window.h"

namespace davit::virtio::testing {

inline constexpr uint16_t kNext = 1;
inline constexpr uint16_t kWrite = 2;
inline constexpr uint16_t kIndirect = 4;

struct RingBuffer {
  uint64_t address = 0;
  uint32_t length = 0;
  uint16_t flags = 0;  // kWrite, kIndirect; kNext is added between buffers
};

// Where the parts of a ring lie.
struct RingPlace {
  uint16_t size = 0;
  uint64_t descriptors = 0;
  uint64_t driver = 0;
  uint64_t device = 0;
};
uint64_t RingBytes(uint16_t size);                  // room for one, split or packed
RingPlace PlaceRing(uint64_t base, uint16_t size);  // inside that room; base: 16-aligned

struct RingUsed {
  uint16_t id = 0;
  uint32_t length = 0;
};

class DriverRing {
 public:
  static std::unique_ptr<DriverRing> Create(const memory::GuestMemory& memory,
                                            const RingPlace& place, bool packed, bool event_idx);
  virtual ~DriverRing() = default;
  const RingPlace& place() const { return place_; }

  // A whole chain; the id under which it comes back. A full ring is a failed check.
  virtual uint16_t Publish(const std::vector<RingBuffer>& buffers) = 0;
  virtual size_t Room() const = 0;  // descriptors that a chain may have now
  virtual std::optional<RingUsed> TakeUsed() = 0;
  // Asks for an interrupt at the next used buffer, or for none.
  virtual void WantInterrupt(bool wanted) = 0;
  // Would a driver kick now, for what it published since the last call?
  virtual bool KickWanted() = 0;

 protected:
  DriverRing(const memory::GuestMemory& memory, const RingPlace& place, bool event_idx);
  // Accesses inside the ring. Those of 16 bits are ordered, for tests with threads.
  template <typename T>
  T Get(uint64_t address) const {
    if constexpr (sizeof(T) == 2) return window_.LoadAcquire16(address - place_.descriptors);
    return *memory_.Read<T>({address});
  }
  template <typename T>
  void Put(uint64_t address, T value) const {
    if constexpr (sizeof(T) == 2) {
      window_.StoreRelease16(address - place_.descriptors, value);
    } else {
      (void)memory_.Write<T>({address}, value);
    }
  }
  const memory::GuestMemory memory_;
  const RingPlace place_;
  const bool event_idx_;

 private:
  memory::GuestWindow window_;  // the whole of it
};

// For tests that write a split ring by hand.
class SplitDriverRing final : public DriverRing {
 public:
  SplitDriverRing(const memory::GuestMemory& memory, const RingPlace& place, bool event_idx);
  uint16_t Publish(const std::vector<RingBuffer>& buffers) override;
  size_t Room() const override { return free_.size(); }
  std::optional<RingUsed> TakeUsed() override;
  void WantInterrupt(bool wanted) override;
  bool KickWanted() override;

  void SetDescriptor(uint16_t index, uint64_t address, uint32_t length, uint16_t flags,
                     uint16_t next) const;
  void PublishHead(uint16_t head);
  void SetAvailableIndex(uint16_t index);

 private:
  std::vector<uint16_t> free_;
  std::vector<std::vector<uint16_t>> taken_;  // descriptors of the chain, by head
  uint16_t available_ = 0, used_ = 0, kicked_ = 0;
};

class PackedDriverRing final : public DriverRing {
 public:
  PackedDriverRing(const memory::GuestMemory& memory, const RingPlace& place, bool event_idx);
  uint16_t Publish(const std::vector<RingBuffer>& buffers) override;
  size_t Room() const override { return free_ids_.empty() ? 0 : free_slots_; }
  std::optional<RingUsed> TakeUsed() override;
  void WantInterrupt(bool wanted) override;
  bool KickWanted() override;

  // One descriptor at the next slot, made available at once.
  void PublishRaw(uint64_t address, uint32_t length, uint16_t id, uint16_t flags);

 private:
  void PutDescriptor(uint16_t slot, uint64_t address, uint32_t length, uint16_t id, uint16_t flags);
  std::vector<uint16_t> free_ids_;
  std::vector<uint16_t> slots_of_;  // by id
  uint32_t free_slots_;
  // Positions that never wrap: slot = position % size, lap = position / size.
  uint64_t available_ = 0, used_ = 0, kicked_ = 0;
};

}  // namespace davit::virtio::testing
