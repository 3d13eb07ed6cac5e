// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See driver.h.
#include "vmm/virtio/testing/driver.h"

#include <sys/mman.h>

#include <algorithm>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"

namespace davit::virtio::testing {
namespace {

memory::GuestMemory MakeRam(uint64_t bytes, uint64_t window) {
  std::vector<memory::Region> regions;
  for (uint64_t half = 0; half < 2; ++half) {
    memory::RamBlockOptions options;
    options.id = half == 0 ? "low" : "high";
    options.size = bytes / 2;
    auto block = memory::RamBlock::Create(options);
    DAVIT_CHECK(block.has_value());
    regions.push_back({{half * bytes / 2}, bytes / 2, *block, 0});
  }
  if (window != 0) {
    memory::RamBlockOptions options;
    options.id = "window";
    options.size = window;
    options.reserve = false;
    auto block = memory::RamBlock::Create(options);
    DAVIT_CHECK(block.has_value());
    regions.push_back({{kWindow}, window, *block, 0, true});
  }
  auto memory = memory::GuestMemory::Create(regions);
  DAVIT_CHECK(memory.has_value());
  return *memory;
}

}  // namespace

DriverQueue::Chain& DriverQueue::Chain::Readable(std::span<const uint8_t> bytes) {
  const uint64_t at = queue_.driver_.Allocate(bytes.size(), 1);
  (void)queue_.driver_.memory_.Write({at}, std::as_bytes(bytes));
  return Raw(at, static_cast<uint32_t>(bytes.size()), 0);
}

DriverQueue::Chain& DriverQueue::Chain::Readable(std::string_view text) {
  return Readable(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

DriverQueue::Chain& DriverQueue::Chain::ReadablePieces(std::span<const uint8_t> bytes,
                                                       uint32_t piece) {
  for (size_t at = 0; at < bytes.size(); at += piece) {
    Readable(bytes.subspan(at, std::min<size_t>(piece, bytes.size() - at)));
  }
  return *this;
}

DriverQueue::Chain& DriverQueue::Chain::Writable(uint32_t length) {
  return Raw(queue_.driver_.Allocate(length, 1), length, kWrite);
}

DriverQueue::Chain& DriverQueue::Chain::WritablePieces(uint32_t length, uint32_t piece) {
  for (uint32_t at = 0; at < length; at += piece) Writable(std::min(piece, length - at));
  return *this;
}

DriverQueue::Chain& DriverQueue::Chain::Raw(uint64_t address, uint32_t length, uint16_t flags) {
  buffers_.push_back({address, length, flags});
  return *this;
}

DriverQueue::Chain& DriverQueue::Chain::Indirect() {
  indirect_ = true;
  return *this;
}

uint16_t DriverQueue::Chain::Publish() {
  std::vector<RingBuffer> in_ring = buffers_;
  if (indirect_) {
    const bool packed = queue_.driver_.features() & kFeatureRingPacked;
    const uint64_t table = queue_.driver_.Allocate(16 * buffers_.size());
    for (size_t i = 0; i < buffers_.size(); ++i) {
      const bool next = !packed && i + 1 < buffers_.size();
      const auto& memory = queue_.driver_.memory_;
      const uint64_t at = table + 16 * i;
      const auto flags = static_cast<uint16_t>(buffers_[i].flags | (next ? kNext : 0));
      (void)memory.Write({at}, buffers_[i].address);
      (void)memory.Write({at + 8}, buffers_[i].length);
      (void)memory.Write({at + (packed ? 14 : 12)}, flags);
      if (next) (void)memory.Write({at + 14}, static_cast<uint16_t>(i + 1));
    }
    in_ring = {{table, static_cast<uint32_t>(16 * buffers_.size()), kIndirect}};
  }
  const uint16_t id = queue_.ring_->Publish(in_ring);
  Outstanding outstanding{id, {}};
  for (const RingBuffer& buffer : buffers_) {
    if (buffer.flags & kWrite) outstanding.writable.push_back(buffer);
  }
  queue_.outstanding_.push_back(std::move(outstanding));
  return id;
}

void DriverQueue::Kick() {
  driver_.frontend_->Kick(index_);
  driver_.loop_.RunPosted();
}

std::vector<Used> DriverQueue::CollectUsed() {
  std::vector<Used> all;
  while (const auto taken = ring_->TakeUsed()) {
    Used used{taken->id, taken->length, {}};
    auto chain = std::find_if(outstanding_.begin(), outstanding_.end(),
                              [&](const Outstanding& o) { return o.id == taken->id; });
    if (chain != outstanding_.end()) {
      uint32_t left = used.length;
      for (const RingBuffer& buffer : chain->writable) {
        const uint32_t n = std::min(left, buffer.length);
        const size_t at = used.bytes.size();
        used.bytes.resize(at + n);
        (void)driver_.memory_.Read({buffer.address},
                                   std::as_writable_bytes(std::span(used.bytes)).subspan(at));
        left -= n;
      }
      outstanding_.erase(chain);
    }
    all.push_back(std::move(used));
  }
  ring_->WantInterrupt(true);
  driver_.FreeBuffersWhenIdle();
  return all;
}

std::optional<Used> DriverQueue::Request(std::span<const uint8_t> readable, uint32_t writable) {
  Chain chain = Add();
  if (!readable.empty()) chain.Readable(readable);
  if (writable != 0) chain.Writable(writable);
  chain.Publish();
  Kick();
  std::vector<Used> used = CollectUsed();
  if (used.size() != 1) return std::nullopt;
  return std::move(used.front());
}

Driver::Driver(std::unique_ptr<VirtioDevice> device, const DriverOptions& options)
    : options_(options), memory_(MakeRam(options.ram_mib * kMiB, options.window)) {
  Init(std::move(device));
}

Driver::Driver(const MakeDevice& make, const DriverOptions& options)
    : options_(options), memory_(MakeRam(options.ram_mib * kMiB, options.window)) {
  Init(make(loop_));
}

void Driver::Init(std::unique_ptr<VirtioDevice> device) {
  frontend_ = std::make_unique<Frontend>(std::move(device), options_.frontend, loop_, memory_);
  loop_.RunPosted();
  frontend_->SetInterrupts(&interrupts_);
  for (uint16_t i = 0; i < frontend_->queue_count(); ++i) {
    queues_.push_back(std::unique_ptr<DriverQueue>(new DriverQueue(*this, i)));
  }
  if (options_.start) DAVIT_CHECK(Start());
}

Driver::~Driver() {
  frontend_->Quiesce();
  frontend_.reset();
  loop_.RunPosted();
}

bool Driver::Negotiate() {
  frontend_->SetStatus(kStatusAcknowledge);
  frontend_->SetStatus(kStatusAcknowledge | kStatusDriver);
  features_ = frontend_->offered_features() & options_.features;
  frontend_->SetDriverFeatures(0, static_cast<uint32_t>(features_));
  frontend_->SetDriverFeatures(1, static_cast<uint32_t>(features_ >> 32));
  frontend_->SetStatus(kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk);
  return frontend_->status() & kStatusFeaturesOk;
}

void Driver::SetUpQueues() {
  next_free_ = kPageSize;
  for (uint16_t i = 0; i < frontend_->queue_count(); ++i) SetUpQueue(i);
}

void Driver::SetUpQueue(uint16_t index) {
  uint16_t size = frontend_->queue(index).max_size;
  if (options_.queue_size != 0) size = std::min(size, options_.queue_size);
  const RingPlace place = PlaceRing(Allocate(RingBytes(size)), size);
  frontend_->ConfigureQueue(index, [&](QueueConfig& config) {
    config.size = size;
    config.descriptors = {place.descriptors};
    config.driver = {place.driver};
    config.device = {place.device};
  });
  frontend_->SetQueueReady(index, true);
  DriverQueue& queue = *queues_[index];
  queue.ring_ = DriverRing::Create(memory_, place, features_ & kFeatureRingPacked,
                                   features_ & kFeatureEventIdx);
  queue.outstanding_.clear();
  buffers_from_ = next_free_;
  loop_.RunPosted();
}

void Driver::DriverOk() {
  frontend_->SetStatus(kStatusAcknowledge | kStatusDriver | kStatusFeaturesOk | kStatusDriverOk);
  loop_.RunPosted();
}

void Driver::Reset() {
  frontend_->SetStatus(0);
  loop_.RunPosted();
  for (auto& queue : queues_) queue->outstanding_.clear();
}

uint64_t Driver::Allocate(uint64_t size, uint64_t align) {
  const uint64_t at = AlignUp(next_free_, align);
  DAVIT_CHECK(memory_.Contains({at}, size));  // more RAM needed: DriverOptions
  next_free_ = at + size;
  (void)memory_.Fill({at}, size, std::byte{0});
  return at;
}

void Driver::FreeBuffersWhenIdle() {
  for (const auto& queue : queues_) {
    if (!queue->outstanding_.empty()) return;
  }
  next_free_ = buffers_from_;
}

bool Driver::KeepsUnpluggedRam(const std::function<void()>& use) {
  memory::RamBlockOptions options;
  options.id = "plugged";
  options.size = kPageSize;
  auto regions = memory_.regions();
  regions.push_back({{kWindow}, options.size, *memory::RamBlock::Create(options), 0});
  const std::weak_ptr<memory::RamBlock> block = regions.back().block;
  DAVIT_CHECK(frontend_->SetMemory(*memory::GuestMemory::Create(std::move(regions))));
  use();
  DAVIT_CHECK(frontend_->SetMemory(memory_));
  return !block.expired();
}

uint64_t Driver::HostPages(uint64_t address, uint64_t size) const {
  std::vector<unsigned char> pages(size / kPageSize);
  for (const memory::Region& region : memory_.regions()) {
    const uint64_t offset = address - region.base.value;  // wraps below the region
    if (offset >= region.size) continue;
    void* const at =
        reinterpret_cast<void*>(region.block->host_address() + region.block_offset + offset);
    DAVIT_CHECK(mincore(at, size, pages.data()) == 0);
  }
  return static_cast<uint64_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char page) { return page & 1; }));
}

}  // namespace davit::virtio::testing
