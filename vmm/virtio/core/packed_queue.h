// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The packed ring (virtio 1.2, 2.8): one ring of descriptors that both sides write, with wrap
// counters, and two event suppression structures. Made by VirtQueue::Activate; owner as there.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "vmm/memory/guest_window.h"
#include "vmm/virtio/core/queue.h"

namespace davit::virtio {

class PackedQueue final : public VirtQueue {
 public:
  PackedQueue(uint64_t features, memory::GuestMemory memory, QueueInterrupt interrupt);

 private:
  struct Position {  // a slot and the wrap counter with which it is passed
    uint16_t slot = 0;
    bool wrap = true;
  };
  Status OpenRing(const QueueConfig& config) override;
  Result<bool> PopRing(ChainState& state) override;
  void UnpopRing(const ChainState& state) override;
  void CompleteRing(const ChainState& state, uint32_t written) override;
  void HoldRing() override { held_ = true; }
  void PublishRing() override;
  bool InterruptWanted() override;
  bool RequestWaits() const override;
  bool ArmKicks() override;
  void DisarmKicks() override;

  bool Available() const;
  Status Walk(ChainState& state);
  void Advance(Position& position, uint16_t slots) const;

  memory::GuestWindow ring_, driver_events_, device_events_;
  uint16_t ring_size_ = 0;
  Position available_, used_;
  struct HeldFlags {
    uint64_t offset = 0;  // in ring_
    uint16_t flags = 0;
  };
  bool held_ = false;
  std::optional<HeldFlags> first_held_;  // of the first chain given back while held
  uint16_t busy_slots_ = 0;              // ring slots of the chains in flight
  uint32_t unsignalled_ = 0;             // slots given back since the last Notify()
  std::vector<bool> busy_;               // buffer ids in flight
};

}  // namespace davit::virtio
