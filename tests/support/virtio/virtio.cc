// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See virtio.h: what both transports share.
#include "tests/support/virtio/virtio.h"

#include <fmt/format.h>

#include <algorithm>

#include "tests/support/virtio/transports.h"

namespace davit::qtest {

void Queue::Kick(bool always) {
  if (ring_->WantsKick() || always) device_.Notify(index_);
}

std::optional<Used> Queue::Wait(milliseconds timeout) {
  std::optional<Used> used;
  device_.machine().WaitFor(
      [&] {
        used = Take();
        return used.has_value();
      },
      timeout);
  return used;
}

std::optional<Used> Queue::Do(const Request& request, milliseconds timeout) {
  Add(request);
  Kick();
  return Wait(timeout);
}

bool Queue::TakeInterrupt() { return device_.TakeQueueInterrupt(index_); }

void Virtio::Reset() {
  SetStatus(0);
  if (!machine_.WaitFor([this] { return Status() == 0; }))
    machine_.Die("the device does not reset");
  queues_.clear();
  features_ = 0;
}

bool Virtio::Negotiate(uint64_t features) {
  SetStatus(virtio::kStatusAcknowledge);
  SetStatus(virtio::kStatusAcknowledge | virtio::kStatusDriver);
  features_ = OfferedFeatures() & features;
  AcceptFeatures(features_);
  SetStatus(virtio::kStatusAcknowledge | virtio::kStatusDriver | virtio::kStatusFeaturesOk);
  return (Status() & virtio::kStatusFeaturesOk) != 0;
}

void Virtio::SetUpQueue(uint16_t index, uint16_t size) {
  const uint16_t most = QueueMax(index);
  if (most == 0) machine_.Die(fmt::format("there is no queue {}", index));
  while (queues_.size() <= index) {
    queues_.emplace_back(new Queue(*this, static_cast<uint16_t>(queues_.size())));
  }
  const uint16_t used = size == 0 ? most : std::min(size, most);
  const bool event_idx = Has(virtio::kFeatureEventIdx);
  std::unique_ptr<Ring> ring;
  if (Has(virtio::kFeatureRingPacked)) {
    ring = std::make_unique<PackedRing>(machine_, used, event_idx);
  } else {
    ring = std::make_unique<SplitRing>(machine_, used, event_idx);
  }
  EnableQueue(index, *ring);
  queues_[index]->ring_ = std::move(ring);
}

void Virtio::DriverOk() { SetStatus(static_cast<uint8_t>(Status() | virtio::kStatusDriverOk)); }

bool Virtio::Start(const StartOptions& options) {
  Reset();
  if (!Negotiate(options.features)) return false;
  for (uint16_t i = 0; i < options.most_queues && QueueMax(i) != 0; ++i) {
    SetUpQueue(i, options.queue_size);
  }
  DriverOk();
  return true;
}

Queue& Virtio::queue(uint16_t index) {
  if (index >= queues_.size() || !queues_[index]->ring_) {
    machine_.Die(fmt::format("queue {} is not set up", index));
  }
  return *queues_[index];
}

size_t CountVirtio(Machine& machine, uint16_t id) {
  return machine.type() == "microvm" ? MmioSlotsOf(machine, id).size()
                                     : PciFunctionsOf(machine, id).size();
}

std::unique_ptr<Virtio> FindVirtio(Machine& machine, uint16_t id, size_t nth, bool msix) {
  if (machine.type() == "microvm") {
    const auto slots = MmioSlotsOf(machine, id);
    if (nth >= slots.size()) machine.Die(fmt::format("there is no virtio-mmio device {}", id));
    return std::make_unique<VirtioMmio>(machine, slots[nth]);
  }
  const auto functions = PciFunctionsOf(machine, id);
  if (nth >= functions.size()) machine.Die(fmt::format("there is no virtio-pci device {}", id));
  return std::make_unique<VirtioPci>(machine, functions[nth], msix);
}

}  // namespace davit::qtest
