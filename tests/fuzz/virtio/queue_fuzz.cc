// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A virtqueue whose driver does anything, in any order: descriptors, heads and raw bytes in the
// ring, between pops, completions, stops and changes of the RAM. Checks that requests in flight
// stay within the queue and that every byte of a popped chain can be read and written.
#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/core/queue.h"

namespace davit::virtio {
namespace {

constexpr uint64_t kRam = 64 * kKiB;     // at 0; the ring lies in front
constexpr uint64_t kDriver = 0x1000;     // available ring
constexpr uint64_t kDevice = 0x2000;     // used ring
constexpr uint64_t kOther = 128 * kKiB;  // one more page of RAM, sometimes

std::shared_ptr<memory::RamBlock> Block() {
  static const std::shared_ptr<memory::RamBlock> block = [] {
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kRam + kPageSize;
    return *memory::RamBlock::Create(options);
  }();
  return block;
}

memory::GuestMemory Ram(bool more) {
  std::vector<memory::Region> regions = {{{0}, kRam, Block(), 0}};
  if (more) regions.push_back({{kOther}, kPageSize, Block(), kRam});
  return *memory::GuestMemory::Create(regions);
}

class QueueFuzz {
 public:
  QueueFuzz(const uint8_t* data, size_t size) : stream_(data, size), memory_(Ram(true)) {
    (void)memory_.Fill({0}, kRam, std::byte{0});
    const uint8_t features = stream_.Next();
    if (features & 1) features_ |= kFeatureRingPacked;
    if (features & 2) features_ |= kFeatureEventIdx;
    if (features & 4) features_ |= kFeatureInOrder;
    if (features & 8) features_ |= kFeatureIndirectDesc;
  }
  void Run() {
    auto queue = VirtQueue::Activate(Config(), features_, memory_, [] {});
    if (!queue) return;
    queue_ = std::move(*queue);
    while (!stream_.done()) {
      const uint8_t what = stream_.Next();
      if (what & 8) {
        Device(what);
      } else {
        Driver(what);
      }
      DAVIT_CHECK(queue_->in_flight() == held_.size() && held_.size() <= queue_->size());
    }
  }

 private:
  bool packed() const { return features_ & kFeatureRingPacked; }
  QueueConfig Config() {
    const uint8_t code = stream_.Next();
    const uint16_t size = packed() ? code + 1 : 1 << (code & 7);
    return {256, size, true, {0}, {kDriver}, {kDevice}};
  }
  uint64_t Address() {
    const uint8_t low = stream_.Next(), high = stream_.Next();
    if (high == 0xff) return UINT64_MAX - low;
    if (high == 0xfe) return kOther + kPageSize - low;
    return low | uint64_t{high} << 8;
  }

  void Driver(uint8_t what) {
    switch (what & 7) {
      case 0:
      case 1:
      case 2:
        return PutDescriptor();
      case 3:
      case 4: {
        const uint8_t head = stream_.Next();
        (void)memory_.Write({kDriver + 4 + 2 * (available_ % queue_->size())}, uint16_t{head});
        (void)memory_.Write({kDriver + 2}, ++available_);
        return;
      }
      case 5:
        available_ = static_cast<uint16_t>(stream_.Next() << 4);
        (void)memory_.Write({kDriver + 2}, available_);
        return;
      default: {
        const uint64_t address = Address();
        (void)memory_.Write({address}, stream_.Next());
        return;
      }
    }
  }
  void PutDescriptor() {
    const uint64_t at = stream_.Next() * 16;
    (void)memory_.Write({at}, Address());
    const uint8_t length = stream_.Next();
    (void)memory_.Write({at + 8}, length < 0xf8 ? uint32_t{length} : UINT32_MAX << (length & 7));
    // Split: flags, next. Packed: id, flags with the bits of availability on top.
    const uint8_t low = stream_.Next(), high = stream_.Next();
    const uint16_t flags = packed() ? (low & 7) | (low & 0x40 ? 0x8000 : 0x80) : low;
    (void)memory_.Write({at + 12}, packed() ? uint16_t{high} : flags);
    (void)memory_.Write({at + 14}, packed() ? flags : uint16_t{high});
  }

  void Device(uint8_t what) {
    switch (what & 7) {
      case 0:
      case 1:
        return Pop(what & 0x80);
      case 2:
        return Complete(stream_.Next());
      case 3:
        queue_->Notify();
        return;
      case 4:
        if (what & 0x80) {
          (void)queue_->EnableKicks();
        } else {
          queue_->DisableKicks();
        }
        return;
      case 5:
        queue_->Stop(true);
        while (!held_.empty()) Complete(0);
        if (!queue_->Restart(Config())) return;
        available_ = 0;
        return;
      case 6:
        queue_->SetMemory(Ram(what & 0x80));
        return;
      default:
        return CompleteAll();
    }
  }
  void Pop(bool unpop) {
    auto chain = queue_->Pop();
    if (!chain || !chain->has_value()) return;
    if (unpop) {
      queue_->Unpop(std::move(**chain));
      return;
    }
    held_.push_back(std::move(**chain));
  }
  // Reads and fills it, as far as this input's patience goes.
  static uint64_t Use(const DescriptorChain& chain) {
    std::array<std::byte, 512> bytes{};
    Reader reader = chain.reader();
    while (reader.remaining() != 0) {
      const auto n = std::min<uint64_t>(reader.remaining(), bytes.size());
      DAVIT_CHECK(reader.Read(std::span(bytes).first(n)));
    }
    DAVIT_CHECK(chain.reader().Borrow(chain.readable_bytes()));
    Writer writer = chain.writer();
    if (writer.remaining() > 4096) return 0;
    while (writer.remaining() != 0) {
      const auto n = std::min<uint64_t>(writer.remaining(), bytes.size());
      DAVIT_CHECK(writer.Write(std::span(bytes).first(n)));
    }
    return writer.written();
  }
  void Complete(uint8_t which) {
    if (held_.empty()) return;
    const auto at = held_.begin() + which % held_.size();
    DescriptorChain chain = std::move(*at);
    held_.erase(at);
    const uint64_t written = Use(chain);
    (void)queue_->Complete(std::move(chain), written);
  }
  void CompleteAll() {
    std::vector<VirtQueue::Completed> all;
    for (DescriptorChain& chain : held_) all.push_back({std::move(chain), 0});
    held_.clear();
    (void)queue_->CompleteAll(all);
  }

  fuzz::AccessStream stream_;
  memory::GuestMemory memory_;
  uint64_t features_ = kFeatureVersion1;
  std::unique_ptr<VirtQueue> queue_;
  std::vector<DescriptorChain> held_;
  uint16_t available_ = 0;
};

}  // namespace
}  // namespace davit::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  davit::virtio::QueueFuzz(data, size).Run();
  return 0;
}
