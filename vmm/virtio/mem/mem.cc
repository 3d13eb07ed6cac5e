// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See mem.h.
#include "vmm/virtio/mem/mem.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/base/units.h"
#include "vmm/virtio/mem/wire.h"

namespace davit::virtio {
namespace {

// The driver adds whole sections of its memory map (128 MiB), so it gets room for two beyond what
// is asked for, as QEMU gives.
constexpr uint64_t kUsableExtent = 256 * kMiB;
constexpr uint16_t kQueueSize = 128;

// What is populated and given back before others of the loop have their turn.
constexpr uint64_t kBytesATurn = 256 * kMiB;

}  // namespace

Mem::Mem(MemConfig config) : config_(std::move(config)), requested_size_(config_.requested_size) {
  DAVIT_CHECK(config_.block_size != 0 && config_.region_size % config_.block_size == 0);
  traits_.name = "virtio-mem";
  traits_.id = kIdMem;
  traits_.features = mem::kAcpiPxm;
  if (config_.unplugged_inaccessible) {
    traits_.required = mem::kUnpluggedInaccessible;
    traits_.features |= traits_.required;
  }
  traits_.queue_sizes = {kQueueSize};
  traits_.config_size = sizeof(mem::Config);
  plugged_.resize(config_.region_size / config_.block_size);
  SetUsableSize(true);
}

void Mem::SetUsableSize(bool may_shrink) {
  uint64_t size = 0;
  if (requested_size_ != 0) {
    size =
        AlignUp(std::min(config_.region_size, requested_size_ + kUsableExtent), config_.block_size);
    size = std::min(size, config_.region_size);
  }
  // The driver may have plugged what lies beyond.
  if (size > usable_size_ || may_shrink) usable_size_ = size;
}

// --- control plane -------------------------------------------------------------------------------

uint64_t Mem::plugged_size() {
  const auto lock = host().Lock();
  return plugged_size_;
}

uint64_t Mem::requested_size() {
  const auto lock = host().Lock();
  return requested_size_;
}

Status Mem::CheckRequestedSize(const MemConfig& config, uint64_t bytes, std::string_view name) {
  if (bytes % config.block_size != 0) {
    return Fail(
        fmt::format("{} has to be multiples of 'block-size' (0x{:x})", name, config.block_size));
  }
  if (bytes > config.region_size) {
    return Fail(fmt::format("'requested-size' cannot exceed the memory backend size(0x{:x})",
                            config.region_size));
  }
  return {};
}

Status Mem::SetRequestedSize(uint64_t bytes) {
  DAVIT_TRY(CheckRequestedSize(config_, bytes, "'requested-size'"));
  const auto lock = host().Lock();
  if (bytes == requested_size_) return {};
  requested_size_ = bytes;
  SetUsableSize(false);
  host().ConfigChanged();
  return {};
}

void Mem::OnMachineReset() {
  const auto lock = host().Lock();
  if (UnplugAll().type != mem::kAck) {
    DAVIT_LOG_WARN("virtio-mem: memory stays plugged over a reset");
  }
}

// --- VirtioDevice --------------------------------------------------------------------------------

void Mem::ReadConfig(uint32_t offset, std::span<uint8_t> out) {
  mem::Config config{};
  config.block_size = config_.block_size;
  config.node_id = config_.node;
  config.addr = config_.address;
  config.region_size = config_.region_size;
  config.usable_region_size = usable_size_;
  config.plugged_size = plugged_size_;
  config.requested_size = requested_size_;
  std::array<uint8_t, sizeof(config)> bytes;
  std::memcpy(bytes.data(), &config, sizeof(config));
  std::copy_n(bytes.begin() + offset, out.size(), out.begin());
}

Status Mem::Activate(uint64_t, std::span<VirtQueue* const> queues) {
  queue_ = queues[0];
  return {};
}

bool Mem::Reset() {
  queue_ = nullptr;
  return true;
}

void Mem::OnRunning(bool running) { running_ = running; }

void Mem::HandleQueue(uint16_t index) {
  if (queue_ == nullptr || !running_) return;
  bool served = false;
  turn_bytes_ = 0;
  for (uint16_t n = 0; n < kQueueSize && turn_bytes_ < kBytesATurn; ++n) {
    const Result<bool> one = ServeOne();
    if (!one) return host().NeedsReset(one.error().message);
    if (!*one) {
      if (served) queue_->Notify();
      return;
    }
    served = true;
  }
  queue_->Notify();
  host().KickLater(index);
}

Result<bool> Mem::ServeOne() {
  DAVIT_ASSIGN(std::optional<DescriptorChain> chain, queue_->Pop());
  if (!chain) return false;
  Reader reader = chain->reader();
  mem::Request request;
  if (reader.remaining() < sizeof(request)) {
    return Fail(fmt::format("a request of {} bytes", reader.remaining()));
  }
  DAVIT_ASSIGN(request, reader.Read<mem::Request>());
  Writer writer = chain->writer();
  if (writer.remaining() < sizeof(mem::Response)) {
    return Fail(fmt::format("{} bytes for a response", writer.remaining()));
  }
  if (request.type > mem::kState) {
    return Fail(fmt::format("unknown request {}", uint16_t{request.type}));
  }
  const Answer answer = Execute(request.type, request.addr, request.nb_blocks);
  mem::Response response{};
  response.type = answer.type;
  response.state = answer.state;
  DAVIT_TRY(writer.Write(response));
  const uint64_t written = writer.written();
  DAVIT_TRY(queue_->Complete(std::move(*chain), written));
  return true;
}

// --- requests ------------------------------------------------------------------------------------

Mem::Answer Mem::Execute(uint16_t type, uint64_t address, uint16_t blocks) {
  if (type == mem::kUnplugAll) return UnplugAll();
  const std::optional<Range> range = RangeAt(address, blocks);
  if (!range) return {mem::kError};
  if (type == mem::kState) return State(*range);
  return type == mem::kPlug ? Plug(*range) : Unplug(*range);
}

// nullopt: not whole blocks of the usable region.
std::optional<Mem::Range> Mem::RangeAt(uint64_t address, uint16_t blocks) const {
  const uint64_t offset = address - config_.address;  // wraps below the region
  const uint64_t size = blocks * config_.block_size;
  if (size == 0 || offset % config_.block_size != 0 || offset >= usable_size_ ||
      size > usable_size_ - offset) {
    return std::nullopt;
  }
  return Range{offset / config_.block_size, blocks};
}

bool Mem::AllAre(Range range, bool plugged) const {
  const auto first = plugged_.begin() + static_cast<ptrdiff_t>(range.first);
  const auto last = first + static_cast<ptrdiff_t>(range.count);
  return std::find(first, last, !plugged) == last;
}

void Mem::Mark(Range range, bool plugged) {
  const uint64_t bytes = range.count * config_.block_size;
  std::fill_n(plugged_.begin() + static_cast<ptrdiff_t>(range.first), range.count, plugged);
  plugged_size_ = plugged ? plugged_size_ + bytes : plugged_size_ - bytes;
  if (config_.on_change) config_.on_change(plugged_size_);
}

Mem::Answer Mem::Plug(Range range) {
  const uint64_t bytes = range.count * config_.block_size;
  if (plugged_size_ >= requested_size_ || bytes > requested_size_ - plugged_size_) {
    return {mem::kNack};
  }
  if (!AllAre(range, false)) return {mem::kError};
  if (config_.prealloc && !Populate(range)) {
    (void)Discard(range);
    return {mem::kBusy};
  }
  Mark(range, true);
  return {mem::kAck};
}

Mem::Answer Mem::Unplug(Range range) {
  if (!AllAre(range, true)) return {mem::kError};
  if (!Discard(range)) return {mem::kBusy};
  Mark(range, false);
  return {mem::kAck};
}

Mem::Answer Mem::UnplugAll() {
  // All of it: the driver may have touched blocks that it had not plugged.
  if (!Discard({0, plugged_.size()})) return {mem::kBusy};
  std::fill(plugged_.begin(), plugged_.end(), false);
  if (std::exchange(plugged_size_, 0) != 0 && config_.on_change) config_.on_change(0);
  SetUsableSize(true);
  return {mem::kAck};
}

Mem::Answer Mem::State(Range range) const {
  if (AllAre(range, true)) return {mem::kAck, mem::kPlugged};
  return {mem::kAck, AllAre(range, false) ? mem::kUnplugged : mem::kMixed};
}

Status Mem::Discard(Range range) {
  turn_bytes_ += range.count * config_.block_size;
  Status status = host().memory().Discard({config_.address + range.first * config_.block_size},
                                          range.count * config_.block_size);
  if (!status && !std::exchange(discard_failed_, true)) {
    DAVIT_LOG_WARN("virtio-mem: {}", status.error().message);
  }
  return status;
}

Status Mem::Populate(Range range) {
  turn_bytes_ += range.count * config_.block_size;
  return host().memory().Populate({config_.address + range.first * config_.block_size},
                                  range.count * config_.block_size);
}

}  // namespace davit::virtio
