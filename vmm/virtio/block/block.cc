// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See block.h.
#include "vmm/virtio/block/block.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "vmm/virtio/block/wire.h"

namespace davit::virtio {

using backend::BlockOp;
using block::Kind;

namespace {

constexpr uint16_t kMaxQueueSize = 1024;
constexpr uint64_t kSector = 512;

BlockOp OpOf(Kind kind) {
  switch (kind) {
    case Kind::kWrite:
      return BlockOp::kWrite;
    case Kind::kFlush:
      return BlockOp::kFlush;
    case Kind::kDiscard:
      return BlockOp::kDiscard;
    case Kind::kWriteZeroes:
      return BlockOp::kWriteZeroes;
    default:
      return BlockOp::kRead;
  }
}

}  // namespace

struct BlockDevice::Active {
  uint16_t queue = 0;
  std::optional<DescriptorChain> chain;
  std::optional<memory::BorrowedIo> io;  // of the data
  block::Request request;
  backend::BlockRequest back;
};

Status BlockDevice::Check(const BlockConfig& config) {
  if (config.num_queues == 0) return Fail("num-queues property must be larger than 0");
  if (config.num_queues > 1024) {
    return Fail(fmt::format("invalid number of queues: {}, the most is 1024", config.num_queues));
  }
  if (config.queue_size <= 2) {
    return Fail(fmt::format("invalid queue-size property ({}), must be > 2", config.queue_size));
  }
  if (!std::has_single_bit(config.queue_size) || config.queue_size > kMaxQueueSize) {
    return Fail(fmt::format("invalid queue-size property ({}), must be a power of 2 (max {})",
                            config.queue_size, kMaxQueueSize));
  }
  const auto check_most = [](const char* name, uint32_t sectors) -> Status {
    if (sectors != 0 && sectors <= INT32_MAX / kSector) return {};
    return Fail(fmt::format("invalid {} property ({}), must be between 1 and {}", name, sectors,
                            INT32_MAX / kSector));
  };
  DAVIT_TRY(check_most("max-discard-sectors", config.max_discard_sectors));
  return check_most("max-write-zeroes-sectors", config.max_write_zeroes_sectors);
}

Result<std::unique_ptr<BlockDevice>> BlockDevice::Create(
    const BlockConfig& given, std::shared_ptr<backend::BlockBackend> disk) {
  DAVIT_TRY(Check(given));
  BlockConfig config = given;
  if (config.logical_block_size == 0) {
    config.logical_block_size = std::max<uint32_t>(disk->logical_sector(), kSector);
  }
  if (config.physical_block_size == 0) {
    config.physical_block_size = std::max<uint32_t>(disk->physical_sector(), kSector);
  }
  const uint32_t block = config.logical_block_size;
  if (block > config.physical_block_size) {
    return Fail("logical_block_size > physical_block_size not supported");
  }
  if (config.min_io_size % block != 0) {
    return Fail("min_io_size must be a multiple of logical_block_size");
  }
  if (config.min_io_size / block > UINT16_MAX) {
    return Fail(fmt::format("min_io_size must not exceed {} logical blocks", UINT16_MAX));
  }
  if (config.opt_io_size % block != 0) {
    return Fail("opt_io_size must be a multiple of logical_block_size");
  }
  if (config.discard_granularity != UINT32_MAX && config.discard_granularity % block != 0) {
    return Fail("discard_granularity must be a multiple of logical_block_size");
  }
  return std::unique_ptr<BlockDevice>(new BlockDevice(config, std::move(disk)));
}

BlockDevice::BlockDevice(const BlockConfig& config, std::shared_ptr<backend::BlockBackend> disk)
    : config_(config), disk_(std::move(disk)), write_cache_(disk_->write_cache()) {
  traits_.name = "virtio-blk";
  traits_.id = kIdBlock;
  traits_.queue_sizes.assign(config_.num_queues, config_.queue_size);
  traits_.features = block::kFeatureSegMax | block::kFeatureBlkSize | block::kFeatureTopology;
  if (disk_->read_only()) traits_.features |= block::kFeatureReadOnly;
  if (config_.config_wce) traits_.features |= block::kFeatureConfigWce;
  // With config-wce the driver may turn the cache on, and must then be able to flush it.
  if (write_cache_ || config_.config_wce) traits_.features |= block::kFeatureFlush;
  if (config_.num_queues > 1) traits_.features |= block::kFeatureMultiQueue;
  // The space ends behind the last field whose feature is offered.
  traits_.config_size = offsetof(block::Config, max_discard_sectors);
  if (config_.discard) {
    traits_.features |= block::kFeatureDiscard;
    traits_.config_size = offsetof(block::Config, max_write_zeroes_sectors);
  }
  if (config_.write_zeroes) {
    traits_.features |= block::kFeatureWriteZeroes;
    traits_.config_size = offsetof(block::Config, unused1);
  }
  notify_.resize(config_.num_queues);
  disk_->set_resized([this] {
    const auto lock = host().Lock();
    host().ConfigChanged();
  });
  disk_->set_owner(this);
}

BlockDevice::~BlockDevice() {
  disk_->set_resized(nullptr);
  disk_->set_owner(nullptr);
}

void BlockDevice::ReadConfig(uint32_t offset, std::span<uint8_t> out) {
  const uint32_t block = config_.logical_block_size;
  block::Config config{};
  config.capacity = disk_->length() / block * block / kSector;
  config.seg_max = config_.seg_max_adjust ? config_.queue_size - 2u : 126u;
  config.blk_size = block;
  config.physical_block_exp =
      static_cast<uint8_t>(std::bit_width(config_.physical_block_size / block) - 1);
  config.min_io_size = static_cast<uint16_t>(config_.min_io_size / block);
  config.opt_io_size = config_.opt_io_size / block;
  config.writeback = disk_->write_cache();
  config.num_queues = config_.num_queues;
  if (config_.discard) {
    const bool given = config_.report_discard_granularity &&
                       config_.discard_granularity != UINT32_MAX &&
                       config_.discard_granularity != 0;
    config.max_discard_sectors = config_.max_discard_sectors;
    config.max_discard_seg = 1u;
    config.discard_sector_alignment =
        static_cast<uint32_t>((given ? config_.discard_granularity : block) / kSector);
  }
  if (config_.write_zeroes) {
    config.max_write_zeroes_sectors = config_.max_write_zeroes_sectors;
    config.max_write_zeroes_seg = 1u;
    config.write_zeroes_may_unmap = 1;
  }
  const auto bytes = std::bit_cast<std::array<uint8_t, sizeof(config)>>(config);
  std::copy_n(bytes.begin() + offset, out.size(), out.begin());
}

void BlockDevice::WriteConfig(uint32_t offset, std::span<const uint8_t> in) {
  // The one field that a driver may write, when it has said that it knows how (5.2.5).
  if (!(features_ & block::kFeatureConfigWce)) return;
  if (offset > block::kConfigWriteback || offset + in.size() <= block::kConfigWriteback) return;
  disk_->set_write_cache(in[block::kConfigWriteback - offset] != 0);
}

Status BlockDevice::Activate(uint64_t features, std::span<VirtQueue* const> queues) {
  features_ = features;
  queues_.assign(queues.begin(), queues.end());
  for (VirtQueue* queue : queues_) {
    if (queue != nullptr) queue->set_on_stop([this, queue] { DropHeld(queue); });
  }
  // A driver that cannot flush must not have a cache (5.2.5.2).
  if (!(features & block::kFeatureConfigWce) && !(features & block::kFeatureFlush)) {
    disk_->set_write_cache(false);
  }
  disk_->Start(host().loop(), [this] { Ready(); });
  return {};
}

block::Limits BlockDevice::CurrentLimits() const {
  const uint32_t block = config_.logical_block_size;
  return {.capacity = disk_->length() / block * block,
          .block_size = block,
          .read_only = disk_->read_only(),
          .discard = (features_ & block::kFeatureDiscard) != 0,
          .write_zeroes = (features_ & block::kFeatureWriteZeroes) != 0,
          .max_discard_sectors = config_.max_discard_sectors,
          .max_write_zeroes_sectors = config_.max_write_zeroes_sectors};
}

std::unique_ptr<BlockDevice::Active> BlockDevice::NewActive(uint16_t queue, DescriptorChain chain) {
  std::unique_ptr<Active> active;
  if (spare_.empty()) {
    active = std::make_unique<Active>();
  } else {
    active = std::move(spare_.back());
    spare_.pop_back();
  }
  active->queue = queue;
  active->chain.emplace(std::move(chain));
  return active;
}

void BlockDevice::HandleQueue(uint16_t index) {
  if (std::exchange(retry_, false)) RetryHeld();
  VirtQueue& queue = *queues_[index];
  // At most a ring full, so that other queues and devices of the loop have their turn.
  uint16_t left = queue.size();
  for (; left > 0; --left) {
    auto chain = queue.Pop();
    if (!chain) {
      host().NeedsReset(chain.error().message);
      break;
    }
    if (!*chain) break;
    Start(index, std::move(**chain));
  }
  if (left == 0) host().KickLater(index);
  disk_->Kick();
  Reap();
}

void BlockDevice::Start(uint16_t queue, DescriptorChain chain) {
  auto request = block::Parse(chain, CurrentLimits());
  std::unique_ptr<Active> active = NewActive(queue, std::move(chain));
  if (!request) {
    host().NeedsReset(request.error().message);
    (void)queues_[queue]->Complete(std::move(*active->chain), 0);
    return;
  }
  active->request = *request;
  if (request->status != block::kStatusOk) {
    if (request->invalid) disk_->CountInvalid(OpOf(request->kind));
    return Complete(std::move(active), request->status);
  }
  if (request->kind == Kind::kGetId) return GiveId(std::move(active));
  if (request->bytes == 0 && request->kind != Kind::kFlush) {
    return Complete(std::move(active), block::kStatusOk);
  }
  if (request->kind == Kind::kRead) {
    Writer writer = active->chain->writer();
    auto io = writer.Borrow(request->bytes);
    if (!io) return Complete(std::move(active), block::kStatusIoError);
    active->io.emplace(std::move(*io));
  } else if (request->kind == Kind::kWrite) {
    Reader reader = active->chain->reader();
    (void)reader.Skip(request->data_at);
    auto io = reader.Borrow(request->bytes);
    if (!io) return Complete(std::move(active), block::kStatusIoError);
    active->io.emplace(std::move(*io));
  }
  Issue(std::move(active));
}

void BlockDevice::Issue(std::unique_ptr<Active> active) {
  const block::Request& request = active->request;
  backend::BlockRequest& back = active->back;
  back.op = OpOf(request.kind);
  back.offset = request.offset;
  back.bytes = request.kind == Kind::kFlush ? 0 : request.bytes;
  back.iov = active->io ? active->io->iovecs() : std::span<const iovec>();
  back.fua = false;
  back.unmap = request.unmap;
  Active* const raw = active.release();  // the back end's until done()
  back.done = [this, raw](int error) { Ended(std::unique_ptr<Active>(raw), error); };
  disk_->Submit(back);
}

void BlockDevice::Ended(std::unique_ptr<Active> active, int error) {
  // Whom the driver has taken the queue from under it is not told, and stops nothing.
  if (error == 0 || resetting_ || queues_[active->queue]->stopped()) {
    return Complete(std::move(active), error == 0 ? block::kStatusOk : block::kStatusIoError);
  }
  switch (disk_->OnError(active->request.kind == Kind::kRead, error)) {
    case backend::ErrorAction::kStop:
      held_.push_back(std::move(active));
      return;
    case backend::ErrorAction::kIgnore:
      return Complete(std::move(active), block::kStatusOk);
    case backend::ErrorAction::kReport:
      break;
  }
  disk_->CountFailed(OpOf(active->request.kind));
  Complete(std::move(active), block::kStatusIoError);
}

void BlockDevice::GiveId(std::unique_ptr<Active> active) {
  std::array<char, block::kIdBytes> id{};
  config_.serial.copy(id.data(), id.size());
  Writer writer = active->chain->writer();
  const size_t room = std::min<uint64_t>(active->request.bytes, id.size());
  (void)writer.Write(std::as_bytes(std::span(id).first(room)));
  Complete(std::move(active), block::kStatusOk);
}

void BlockDevice::Complete(std::unique_ptr<Active> active, uint8_t status) {
  const uint64_t writable = active->chain->writable_bytes();
  Writer writer = active->chain->writer();
  // The status is the last byte, so everything before it counts as written too.
  (void)writer.Skip(writable - 1);
  (void)writer.Write(status);
  active->io.reset();
  VirtQueue& queue = *queues_[active->queue];
  Status given = queue.Complete(std::move(*active->chain), writable);
  active->chain.reset();
  notify_[active->queue] = true;
  if (!given && !resetting_) host().NeedsReset(given.error().message);
  if (spare_.size() < config_.queue_size) spare_.push_back(std::move(active));
}

void BlockDevice::Reap() {
  disk_->Reap();
  for (size_t i = 0; i < notify_.size(); ++i) {
    if (!notify_[i]) continue;
    notify_[i] = false;
    queues_[i]->Notify();
  }
}

void BlockDevice::Ready() {
  const auto lock = host().Lock();
  Reap();
  if (!resetting_ || disk_->in_flight() != 0) return;
  resetting_ = false;
  host().ResetDone();
}

void BlockDevice::RetryHeld() {
  std::deque<std::unique_ptr<Active>> held = std::exchange(held_, {});
  const block::Limits limits = CurrentLimits();
  for (std::unique_ptr<Active>& active : held) {
    if (block::Fits(active->request, limits)) {
      Issue(std::move(active));
    } else {
      disk_->CountInvalid(OpOf(active->request.kind));
      Complete(std::move(active), block::kStatusIoError);
    }
  }
}

void BlockDevice::DropHeld(const VirtQueue* queue) {
  for (std::unique_ptr<Active>& active : held_) {
    VirtQueue* const own = queues_[active->queue];
    if (queue != nullptr && own != queue) continue;
    active->io.reset();
    (void)own->Complete(std::move(*active->chain), 0);
    active.reset();
  }
  std::erase(held_, nullptr);
}

bool BlockDevice::Reset() {
  DropHeld(nullptr);
  features_ = 0;
  disk_->set_write_cache(write_cache_);
  if (disk_->in_flight() == 0) return true;
  resetting_ = true;
  disk_->Drain();
  return false;
}

void BlockDevice::OnRunning(bool running) {
  if (!running) return;
  retry_ = !held_.empty();
  for (const std::unique_ptr<Active>& active : held_) host().KickLater(active->queue);
}

void BlockDevice::Drain() {
  for (;;) {
    {
      const auto lock = host().Lock();
      disk_->Drain();
      Reap();
      if (disk_->in_flight() == 0) break;
    }
    disk_->WaitSome();
  }
  Ready();
}

}  // namespace davit::virtio
