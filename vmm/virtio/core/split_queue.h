// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The split ring (virtio 1.2, 2.7): descriptor table, available ring, used ring. The available
// index is read once for a batch; descriptors are copied and then checked. Made by
// VirtQueue::Activate; owner as there.
#pragma once

#include <cstdint>
#include <vector>

#include "vmm/memory/guest_window.h"
#include "vmm/virtio/core/queue.h"

namespace davit::virtio {

class SplitQueue final : public VirtQueue {
 public:
  SplitQueue(uint64_t features, memory::GuestMemory memory, QueueInterrupt interrupt);

 private:
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

  Status Walk(uint16_t head, ChainState& state);

  memory::GuestWindow descriptors_, available_, used_;
  uint16_t ring_size_ = 0;
  uint16_t next_available_ = 0;  // next to pop, modulo 2^16
  uint16_t seen_available_ = 0;  // the driver's index when last read
  uint16_t used_index_ = 0;      // next to fill
  uint16_t signalled_ = 0;       // used_index_ at the last Notify()
  bool held_ = false;            // the driver does not see used_index_ yet
  std::vector<bool> busy_;       // heads in flight
};

}  // namespace davit::virtio
