// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See rings.h.
#include "vmm/virtio/vhost/rings.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/memory/ram_block.h"

namespace davit::virtio::vhost {
namespace {

constexpr uint64_t kRingFeatures = kFeatureIndirectDesc | kFeatureEventIdx | kFeatureRingPacked |
                                   kFeatureInOrder | kFeatureRingReset;

std::vector<MemoryRange> RangesOf(const memory::GuestMemory& memory) {
  std::vector<MemoryRange> ranges;
  for (const memory::Region& region : memory.regions()) {
    ranges.push_back(
        {region.base.value, region.size, region.block->host_address() + region.block_offset});
  }
  return ranges;
}

// Where [guest, guest + size) lies in this process. Error: nowhere in one piece.
Result<uint64_t> HostAddress(std::span<const MemoryRange> memory, memory::GuestAddress guest,
                             uint64_t size) {
  for (const MemoryRange& range : memory) {
    const uint64_t offset = guest.value - range.guest;  // wraps below the range
    if (offset < range.size && size <= range.size - offset) return range.host + offset;
  }
  return Fail(fmt::format("a ring at 0x{:x} is in more than one piece of memory", guest.value));
}

}  // namespace

Result<std::unique_ptr<Rings>> Rings::Create(std::unique_ptr<Kernel> kernel) {
  DAVIT_TRY(kernel->SetOwner());
  DAVIT_ASSIGN(const uint64_t features, kernel->Features());
  return std::unique_ptr<Rings>(new Rings(std::move(kernel), features));
}

uint64_t Rings::withheld() const { return kRingFeatures & ~features_; }

Status Rings::Attach(DeviceHost& host, uint64_t features, uint16_t first,
                     std::span<VirtQueue* const> queues) {
  DAVIT_CHECK(!attached());
  std::vector<Ring> rings;
  for (uint16_t i = 0; i < queues.size(); ++i) {
    if (queues[i] == nullptr) continue;
    Ring ring{.index = i, .queue = queues[i]};
    const auto number = static_cast<uint16_t>(first + i);
    DAVIT_ASSIGN(ring.kick, host.TakeKicks(number));
    DAVIT_ASSIGN(ring.call, host.InterruptFd(number));
    rings.push_back(ring);
  }
  rings_ = std::move(rings);
  negotiated_ = features & features_;
  host_ = &host;
  return {};
}

Status Rings::Start() {
  DAVIT_CHECK(attached());
  DAVIT_TRY(kernel_->SetFeatures(negotiated_));
  const std::vector<MemoryRange> memory = RangesOf(host_->memory());
  DAVIT_TRY(kernel_->SetMemory(memory));
  for (Ring& ring : rings_) {
    if (Status started = StartRing(ring, memory); !started) {
      Stop();
      return started;
    }
  }
  return {};
}

Status Rings::FollowMemory() {
  const auto started = [](const Ring& ring) { return ring.started; };
  if (std::none_of(rings_.begin(), rings_.end(), started)) return {};
  return kernel_->SetMemory(RangesOf(host_->memory()));
}

Status Rings::StartRing(Ring& ring, std::span<const MemoryRange> memory) {
  const QueueConfig& config = ring.queue->config();
  const uint64_t size = config.size;
  RingSetup setup{.size = config.size, .base = ring.base, .kick = ring.kick, .call = ring.call};
  // Sizes of 2.7, the event fields included.
  DAVIT_ASSIGN(setup.descriptors, HostAddress(memory, config.descriptors, 16 * size));
  DAVIT_ASSIGN(setup.available, HostAddress(memory, config.driver, 6 + 2 * size));
  DAVIT_ASSIGN(setup.used, HostAddress(memory, config.device, 6 + 8 * size));
  ring.started = true;  // even if the kernel takes a part of it alone
  return kernel_->SetRing(ring.index, setup);
}

void Rings::Stop() {
  for (Ring& ring : rings_) {
    if (!std::exchange(ring.started, false)) continue;
    const Result<uint16_t> base = kernel_->StopRing(ring.index);
    if (base) {
      ring.base = *base;
    } else {
      DAVIT_LOG_WARN("vhost: ring {}: {}", ring.index, base.error().message);
    }
  }
}

void Rings::Detach() {
  rings_.clear();
  host_ = nullptr;
}

}  // namespace davit::virtio::vhost
