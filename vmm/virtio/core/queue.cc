// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See queue.h. What split and packed rings share: chains in flight, errors that stay, order.
#include "vmm/virtio/core/queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/core/packed_queue.h"
#include "vmm/virtio/core/split_queue.h"

namespace davit::virtio {

Result<std::unique_ptr<VirtQueue>> VirtQueue::Activate(const QueueConfig& config, uint64_t features,
                                                       memory::GuestMemory memory,
                                                       QueueInterrupt interrupt) {
  std::unique_ptr<VirtQueue> queue;
  if (features & kFeatureRingPacked) {
    queue = std::make_unique<PackedQueue>(features, std::move(memory), std::move(interrupt));
  } else {
    queue = std::make_unique<SplitQueue>(features, std::move(memory), std::move(interrupt));
  }
  queue->stopped_ = true;
  DAVIT_TRY(queue->Restart(config));
  return queue;
}

VirtQueue::VirtQueue(uint64_t features, memory::GuestMemory memory, QueueInterrupt interrupt)
    : features_(features), memory_(std::move(memory)), interrupt_(std::move(interrupt)) {}

Result<std::optional<DescriptorChain>> VirtQueue::Pop() {
  if (!broken_.empty()) return Fail(broken_);
  if (stopped_) return std::nullopt;
  std::unique_ptr<ChainState> state = NewState();
  Result<bool> popped = PopRing(*state);
  if (popped && !*popped && kicks_ && AwaitKick()) popped = PopRing(*state);
  if (!popped) {
    broken_ = popped.error().message;
    return Fail(std::move(popped).error());
  }
  if (!*popped) {
    spare_.push_back(std::move(state));
    return std::nullopt;
  }
  awaits_ = false;
  ++in_flight_;
  if (Negotiated(kFeatureInOrder)) order_.push_back({nullptr, 0, state->id});
  return DescriptorChain(std::move(state));
}

void VirtQueue::Unpop(DescriptorChain chain) {
  std::unique_ptr<ChainState> state = chain.TakeState();
  DAVIT_CHECK(state != nullptr && in_flight_ > 0);
  --in_flight_;
  if (!stopped_ && state->epoch == epoch_) {
    UnpopRing(*state);
    if (Negotiated(kFeatureInOrder)) order_.pop_back();
  }
  Recycle(std::move(state));
}

Status VirtQueue::Complete(DescriptorChain chain, uint64_t written) {
  std::unique_ptr<ChainState> state = chain.TakeState();
  DAVIT_CHECK(state != nullptr && in_flight_ > 0 && written <= state->writable_bytes);
  const auto length =
      static_cast<uint32_t>(std::min<uint64_t>(written, std::numeric_limits<uint32_t>::max()));
  --in_flight_;
  if (stopped_ || state->epoch != epoch_) {
    Recycle(std::move(state));
    return {};
  }
  if (!broken_.empty()) return Fail(broken_);
  if (Negotiated(kFeatureInOrder)) {
    CompleteInOrder(std::move(state), length);
    return {};
  }
  CompleteRing(*state, length);
  Recycle(std::move(state));
  return {};
}

Status VirtQueue::CompleteAll(std::span<Completed> chains) {
  const bool hold = !stopped_ && broken_.empty();
  if (hold) HoldRing();
  Status status;
  for (Completed& completed : chains) {
    if (Status one = Complete(std::move(completed.chain), completed.written); !one) status = one;
  }
  if (hold) PublishRing();
  return status;
}

void VirtQueue::CompleteInOrder(std::unique_ptr<ChainState> state, uint32_t written) {
  auto entry = std::find_if(order_.begin(), order_.end(), [&](const Ordered& o) {
    return o.done == nullptr && o.id == state->id;
  });
  DAVIT_CHECK(entry != order_.end());
  entry->written = written;
  entry->done = std::move(state);
  auto first_open = order_.begin();
  while (first_open != order_.end() && first_open->done != nullptr) {
    CompleteRing(*first_open->done, first_open->written);
    Recycle(std::move(first_open->done));
    ++first_open;
  }
  order_.erase(order_.begin(), first_open);
}

void VirtQueue::Notify() {
  if (stopped_ || !broken_.empty()) return;
  if (InterruptWanted()) interrupt_();
}

bool VirtQueue::EnableKicks() {
  kicks_ = true;
  return !stopped_ && broken_.empty() && AwaitKick();
}

void VirtQueue::DisableKicks() {
  kicks_ = awaits_ = false;
  if (!stopped_ && broken_.empty()) DisarmKicks();
}

bool VirtQueue::AwaitKick() {
  awaits_ = true;
  if (!SpareKicks()) return ArmKicks();
  DisarmKicks();
  return RequestWaits();
}

// A driver with one request under way waits for it, and its kick costs nothing: it leaves the guest
// beside the work on the request, and the interrupt meets it on its way back. Without the kick the
// guest's CPU goes to sleep instead, which takes longer to undo.
bool VirtQueue::SpareKicks() const { return polled_ && in_flight_ > 1; }

void VirtQueue::SetPolled(bool polled) {
  polled_ = polled;
  if (!awaits_ || stopped_ || !broken_.empty()) return;
  if (SpareKicks()) {
    DisarmKicks();
  } else {
    (void)ArmKicks();
  }
}

bool VirtQueue::TakeKick() {
  if (!awaits_ || stopped_ || !broken_.empty() || !RequestWaits()) return false;
  awaits_ = false;
  return true;
}

void VirtQueue::Stop(bool tell_device) {
  if (stopped_) return;
  stopped_ = true;
  ++epoch_;
  order_.clear();
  if (tell_device && on_stop_) on_stop_();
}

Status VirtQueue::Restart(const QueueConfig& config) {
  DAVIT_CHECK(stopped_ && in_flight_ == 0);
  DAVIT_TRY(OpenRing(config));
  config_ = config;
  stopped_ = false;
  kicks_ = true;
  awaits_ = polled_ = false;
  broken_.clear();
  return {};
}

void VirtQueue::SetMemory(memory::GuestMemory memory) {
  memory_ = std::move(memory);
  ++memory_age_;
  spare_.clear();
}

Result<memory::GuestWindow> VirtQueue::OpenPart(const char* what, memory::GuestAddress at,
                                                uint64_t align, uint64_t size) const {
  if (at.value % align != 0) {
    return Fail(
        fmt::format("{} at guest address 0x{:x} is not aligned to {}", what, at.value, align));
  }
  auto window = memory::GuestWindow::Create(memory_, at, size);
  if (!window) return Fail(fmt::format("{}: {}", what, window.error().message));
  return window;
}

std::unique_ptr<ChainState> VirtQueue::NewState() {
  if (!spare_.empty()) {
    std::unique_ptr<ChainState> state = std::move(spare_.back());
    spare_.pop_back();
    state->epoch = epoch_;
    return state;
  }
  auto state = std::make_unique<ChainState>();
  state->memory = memory_;
  state->memory_age = memory_age_;
  state->epoch = epoch_;
  state->buffers.reserve(8);
  return state;
}

void VirtQueue::Recycle(std::unique_ptr<ChainState> state) {
  // A chain from before a SetMemory() keeps RAM mapped that may be gone from the guest; a very long
  // one is not worth its room.
  constexpr size_t kKept = 256;
  if (state->memory_age != memory_age_ || state->buffers.capacity() > kKept) return;
  spare_.push_back(std::move(state));
}

}  // namespace davit::virtio
