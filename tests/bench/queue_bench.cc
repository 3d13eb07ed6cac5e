// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the core of virtio costs a request: Pop, Complete, Notify of chains of 3 descriptors
// (header, data, status) in batches of 32, without a device. By hand, on a quiet host; prints
// nanoseconds.
//   bazel run //tests/bench:queue_bench
#include <fmt/format.h>

#include <chrono>
#include <vector>

#include "vmm/base/check.h"
#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/core/queue.h"
#include "vmm/virtio/testing/ring.h"

namespace davit::virtio {
namespace {

constexpr int kBatch = 32;
constexpr int kBatches = 20000;
constexpr uint64_t kTable = 64 * kKiB;

void Measure(const memory::GuestMemory& memory, const char* name, uint64_t features,
             bool indirect) {
  const testing::RingPlace place = testing::PlaceRing(kPageSize, 256);
  (void)memory.Fill({kPageSize}, testing::RingBytes(256), std::byte{0});
  int interrupts = 0;
  auto queue =
      VirtQueue::Activate({256, 256, true, {place.descriptors}, {place.driver}, {place.device}},
                          features | kFeatureVersion1 | kFeatureIndirectDesc | kFeatureEventIdx,
                          memory, [&interrupts] { ++interrupts; });
  DAVIT_CHECK(queue);
  const bool packed = features & kFeatureRingPacked;
  auto ring = testing::DriverRing::Create(memory, place, packed, true);
  std::vector<testing::RingBuffer> buffers = {
      {kMiB, 16, 0}, {kMiB + kPageSize, 4096, testing::kWrite}, {kMiB + 64, 1, testing::kWrite}};
  if (indirect) {
    for (size_t i = 0; i < buffers.size(); ++i) {
      const uint64_t at = kTable + 16 * i;
      const bool next = !packed && i + 1 < buffers.size();
      (void)memory.Write({at}, buffers[i].address);
      (void)memory.Write({at + 8}, buffers[i].length);
      (void)memory.Write({at + (packed ? 14 : 12)},
                         static_cast<uint16_t>(buffers[i].flags | (next ? testing::kNext : 0)));
      (void)memory.Write({at + (packed ? 12 : 14)}, static_cast<uint16_t>(i + 1));
    }
    buffers = {{kTable, static_cast<uint32_t>(16 * buffers.size()), testing::kIndirect}};
  }
  std::chrono::nanoseconds spent{0};
  for (int batch = 0; batch < kBatches; ++batch) {
    for (int i = 0; i < kBatch; ++i) ring->Publish(buffers);
    ring->WantInterrupt(true);
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
      auto chain = (*queue)->Pop();
      DAVIT_CHECK(chain);
      if (!chain->has_value()) break;
      DAVIT_CHECK((*queue)->Complete(std::move(**chain), 4097));
    }
    (*queue)->Notify();
    spent += std::chrono::steady_clock::now() - start;
    while (ring->TakeUsed()) {
    }
  }
  DAVIT_CHECK(interrupts == kBatches);
  fmt::print("{:24} {:6.1f} ns a request\n", name,
             static_cast<double>(spent.count()) / (double{kBatches} * kBatch));
}

}  // namespace
}  // namespace davit::virtio

int main() {
  using namespace davit;  // NOLINT
  memory::RamBlockOptions options;
  options.id = "ram";
  options.size = 2 * kMiB;
  const auto memory =
      memory::GuestMemory::Create({{{0}, options.size, *memory::RamBlock::Create(options), 0}});
  virtio::Measure(*memory, "split", 0, false);
  virtio::Measure(*memory, "split, indirect", 0, true);
  virtio::Measure(*memory, "packed", virtio::kFeatureRingPacked, false);
  virtio::Measure(*memory, "packed, indirect", virtio::kFeatureRingPacked, true);
  virtio::Measure(*memory, "split, in order", virtio::kFeatureInOrder, false);
  return 0;
}
