// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See balloon.h.
#include "vmm/virtio/balloon/balloon.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "vmm/base/endian.h"
#include "vmm/base/log.h"

namespace davit::virtio {
namespace {

// Feature bits (virtio 1.2, 5.5.3).
constexpr uint64_t kStatsVq = Bit(1);
constexpr uint64_t kDeflateOnOom = Bit(2);
constexpr uint64_t kFreePageHint = Bit(3);
constexpr uint64_t kPagePoison = Bit(4);
constexpr uint64_t kPageReporting = Bit(5);

constexpr size_t kMaxStatsBytes = 4096;  // far above ten entries; more is not read

}  // namespace

Balloon::Balloon(BalloonConfig config) : config_(std::move(config)) {
  traits_.name = "virtio-balloon";
  traits_.id = kIdBalloon;
  traits_.features = kStatsVq;
  roles_ = {Role::kInflate, Role::kDeflate, Role::kStats};
  traits_.queue_sizes = {128, 128, 128};
  traits_.config_size = kActual + 4;
  if (config_.deflate_on_oom) traits_.features |= kDeflateOnOom;
  // The optional queues follow in the order of their feature bits (5.5.2); one that is not offered
  // has no index.
  if (config_.free_page_hint) {
    traits_.features |= kFreePageHint;
    roles_.push_back(Role::kHint);
    traits_.queue_sizes.push_back(1024);
    traits_.config_size = kCommandId + 4;
  }
  if (config_.page_poison) {
    traits_.features |= kPagePoison;
    traits_.config_size = kPoison + 4;
  }
  if (config_.free_page_reporting) {
    traits_.features |= kPageReporting;
    roles_.push_back(Role::kReport);
    traits_.queue_sizes.push_back(32);
  }
  if (config_.timer_loop != nullptr) {
    timer_.emplace(*config_.timer_loop, [this] { PollStats(); });
  }
}

// --- configuration space
// ---------------------------------------------------------------------------

uint64_t Balloon::ConfigField(size_t offset) const { return LoadLe(&space_[offset], 4); }

void Balloon::SetConfigField(size_t offset, uint32_t value) { StoreLe(&space_[offset], 4, value); }

void Balloon::ReadConfig(uint32_t offset, std::span<uint8_t> out) {
  std::copy_n(space_.begin() + offset, out.size(), out.begin());
}

void Balloon::WriteConfig(uint32_t offset, std::span<const uint8_t> in) {
  const uint64_t before = ConfigField(kActual);
  for (size_t i = 0; i < in.size(); ++i) {
    const size_t at = offset + i;
    // num_pages and the command id are the device's.
    const bool actual = at >= kActual && at < kActual + 4;
    const bool poison = at >= kPoison && at < kPoison + 4 && config_.page_poison;
    if (actual || poison) space_[at] = in[i];
  }
  if (ConfigField(kActual) != before && config_.on_change) config_.on_change(ActualLocked());
}

// --- control plane
// ---------------------------------------------------------------------------------

void Balloon::SetTarget(uint64_t bytes) {
  const auto lock = host().Lock();
  const uint64_t ram = host().memory().total_bytes();
  const uint64_t pages = (ram - std::min(bytes, ram)) / kBalloonPage;
  SetConfigField(kNumPages, static_cast<uint32_t>(std::min<uint64_t>(pages, UINT32_MAX)));
  host().ConfigChanged();
}

uint64_t Balloon::ActualLocked() const {
  const uint64_t ram = host().memory().total_bytes();
  // The driver may write any number.
  return ram - std::min(ConfigField(kActual) * kBalloonPage, ram);
}

uint64_t Balloon::Actual() {
  const auto lock = host().Lock();
  return ActualLocked();
}

BalloonStats Balloon::Stats() {
  const auto lock = host().Lock();
  return stats_;
}

uint32_t Balloon::polling_interval() {
  const auto lock = host().Lock();
  return interval_;
}

void Balloon::SetPollingInterval(uint32_t seconds) {
  const auto lock = host().Lock();
  if (seconds == interval_ || !timer_) return;
  interval_ = seconds;
  if (seconds == 0) {
    timer_->Cancel();
    poll_due_ = false;
  } else {
    timer_->Arm(config_.timer_loop->Now());
  }
}

// --- statistics
// --------------------------------------------------------------------------------------

// The driver's buffer, given back, is the question; its return the answer (5.5.6.3).
void Balloon::PollStats() {
  const auto lock = host().Lock();
  if (!polling()) return;
  if (!stats_chain_ || !running_) {
    poll_due_ = true;
    return;
  }
  poll_due_ = false;
  DescriptorChain chain = std::move(*stats_chain_);
  stats_chain_.reset();
  if (Status status = stats_queue_->Complete(std::move(chain), 0); !status) {
    return host().NeedsReset(status.error().message);
  }
  stats_queue_->Notify();
}

void Balloon::TakeStats(DescriptorChain chain) {
  // A driver has one buffer out; of a second one, the first goes back unasked.
  if (stats_chain_) {
    DescriptorChain first = std::move(*stats_chain_);
    if (Status status = stats_queue_->Complete(std::move(first), 0); !status) {
      return host().NeedsReset(status.error().message);
    }
  }
  std::array<std::byte, kMaxStatsBytes> bytes;
  const size_t n = std::min<uint64_t>(chain.readable_bytes(), bytes.size());
  const std::span<std::byte> data = std::span(bytes).first(n);
  Reader reader = chain.reader();
  if (Status status = reader.Read(data); !status) return host().NeedsReset(status.error().message);
  stats_ = {};  // another kernel may tell less than the last one did
  ParseBalloonStats(data, stats_);
  stats_.last_update = std::chrono::duration_cast<std::chrono::seconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
  stats_chain_.emplace(std::move(chain));
  if (!polling() || !timer_) return;
  const io::Clock::time_point now = config_.timer_loop->Now();
  timer_->Arm(poll_due_ ? now : now + std::chrono::seconds(interval_));
}

// --- queues
// -------------------------------------------------------------------------------------------

Status Balloon::Activate(uint64_t features, std::span<VirtQueue* const> queues) {
  features_ = features;
  queues_.assign(queues.begin(), queues.end());
  for (size_t i = 0; i < queues_.size(); ++i) {
    VirtQueue* const queue = queues_[i];
    std::optional<DescriptorChain>* held = nullptr;
    if (roles_[i] == Role::kStats && (features & kStatsVq) != 0) {
      stats_queue_ = queue;
      held = &stats_chain_;
    } else if (roles_[i] == Role::kInflate || roles_[i] == Role::kDeflate) {
      held = roles_[i] == Role::kInflate ? &inflate_.chain : &deflate_.chain;
    }
    if (queue == nullptr || held == nullptr) continue;
    queue->set_on_stop([queue, held] {
      if (*held) (void)queue->Complete(*std::exchange(*held, std::nullopt), 0);
    });
  }
  return {};
}

bool Balloon::Reset() {
  queues_.clear();
  stats_queue_ = nullptr;
  stats_chain_.reset();
  inflate_.chain.reset();
  deflate_.chain.reset();
  features_ = 0;
  poll_due_ = interval_ != 0;
  SetConfigField(kPoison, 0);
  tracker_.Clear();
  return true;
}

Status Balloon::OnMemory() {
  if (stats_chain_) stats_chain_->FollowMemory(host().memory());
  tracker_.Keep([this](const PageRange& host_page) {
    const std::optional<Backing> backing = BackingOf(host_page.first);
    return backing && HostPageOf(host_page.first, *backing) == host_page;
  });
  return {};
}

void Balloon::OnRunning(bool running) {
  running_ = running;
  if (running && poll_due_ && polling() && stats_chain_) {
    timer_->Arm(config_.timer_loop->Now());
  }
}

void Balloon::HandleQueue(uint16_t index) {
  const Role role = roles_[index];
  if (role == Role::kInflate || role == Role::kDeflate) {
    return HandlePages(index, role == Role::kInflate);
  }
  // A driver may enable the statistics queue without having taken the feature.
  if (role == Role::kStats && stats_queue_ == nullptr) return;
  VirtQueue& queue = *queues_[index];
  bool completed = false;
  // At most one ring's worth a call.
  for (uint16_t n = 0;; ++n) {
    if (n == queue.size()) {
      host().KickLater(index);
      break;
    }
    auto popped = queue.Pop();
    if (!popped) return host().NeedsReset(popped.error().message);
    if (!*popped) break;
    DescriptorChain chain = std::move(**popped);
    if (role == Role::kStats) {
      TakeStats(std::move(chain));
      continue;
    }
    // Hints matter while memory is copied; nobody copies: they are taken and given back.
    if (role == Role::kReport) ServeReport(chain);
    if (Status status = queue.Complete(std::move(chain), 0); !status) {
      return host().NeedsReset(status.error().message);
    }
    completed = true;
  }
  if (completed) queue.Notify();
}

void Balloon::HandlePages(uint16_t index, bool inflate) {
  VirtQueue& queue = *queues_[index];
  PageWork& work = inflate ? inflate_ : deflate_;
  bool completed = false;
  for (uint64_t left = kPagesATurn;;) {
    if (left == 0) {
      host().KickLater(index);
      break;
    }
    if (!work.chain) {
      auto popped = queue.Pop();
      if (!popped) return host().NeedsReset(popped.error().message);
      if (!*popped) break;
      work = {std::move(*popped), 0};
      --left;  // chains without a page count, too
    }
    const Result<uint64_t> rest = ServePages(work, inflate, left);
    if (!rest) return host().NeedsReset(rest.error().message);
    left = *rest;
    if (work.chain->readable_bytes() - work.done >= sizeof(uint32_t)) continue;
    const Status status = queue.Complete(*std::exchange(work.chain, std::nullopt), 0);
    if (!status) return host().NeedsReset(status.error().message);
    completed = true;
  }
  if (completed) queue.Notify();
}

// The chain is an array of 32-bit page numbers (5.5.6). A trailing piece of a number is not one.
Result<uint64_t> Balloon::ServePages(PageWork& work, bool inflate, uint64_t most) {
  constexpr uint64_t kBatch = 4096;
  Reader reader = work.chain->reader();
  DAVIT_TRY(reader.Skip(work.done));
  std::vector<uint32_t> pfns;
  while (most > 0 && reader.remaining() >= sizeof(uint32_t)) {
    pfns.resize(std::min({reader.remaining() / sizeof(uint32_t), kBatch, most}));
    DAVIT_TRY(reader.Read(std::as_writable_bytes(std::span(pfns))));
    most -= pfns.size();
    work.done += pfns.size() * sizeof(uint32_t);
    for (const PageRange& range : MergePages(pfns)) {
      if (inflate) {
        Inflate(range);
      } else {
        Deflate(range);
      }
    }
  }
  return most;
}

// The RAM that the page lies in; none in a hole.
std::optional<Backing> Balloon::BackingOf(uint64_t page) const {
  const std::vector<memory::Region>& regions = host().memory().regions();
  const memory::GuestAddress address{page * kBalloonPage};
  const auto next = std::upper_bound(
      regions.begin(), regions.end(), address,
      [](memory::GuestAddress a, const memory::Region& region) { return a < region.base; });
  if (next == regions.begin()) return std::nullopt;
  const memory::Region& region = *std::prev(next);
  const auto page_size = host().memory().BackingPageSize(address);
  if (!page_size) return std::nullopt;
  return Backing{.range = {region.base.value / kBalloonPage, region.size / kBalloonPage},
                 .offset = region.block_offset / kBalloonPage,
                 .host_page = std::max<uint64_t>(*page_size / kBalloonPage, 1)};
}

// fn(first, end, backing) for each part of the range that lies in one piece of RAM.
template <typename Fn>
void Balloon::ForEachPiece(const PageRange& range, Fn&& fn) const {
  const uint64_t end = range.first + range.pages;
  for (uint64_t page = range.first; page < end;) {
    const std::optional<Backing> backing = BackingOf(page);
    if (!backing) {
      ++page;
      continue;
    }
    const uint64_t piece_end = std::min(end, backing->range.first + backing->range.pages);
    fn(page, piece_end, *backing);
    page = piece_end;
  }
}

// Pages outside RAM, in a hole, or in the balloon already: no effect.
void Balloon::Inflate(const PageRange& range) {
  ForEachPiece(range, [this](uint64_t first, uint64_t end, const Backing& backing) {
    if (backing.host_page == 1) return DiscardRange(first, end - first);
    for (uint64_t page = first; page < end; ++page) {
      const std::optional<PageRange> host_page = HostPageOf(page, backing);
      if (host_page && tracker_.Inflate(page, *host_page)) {
        DiscardRange(host_page->first, host_page->pages);
      }
    }
  });
}

// Memory comes back when it is touched; only the count of huge pages needs to know.
void Balloon::Deflate(const PageRange& range) {
  ForEachPiece(range, [this](uint64_t first, uint64_t end, const Backing& backing) {
    if (backing.host_page == 1) return;
    for (uint64_t page = first; page < end; ++page) {
      if (const auto host_page = HostPageOf(page, backing)) tracker_.Deflate(page, *host_page);
    }
  });
}

void Balloon::DiscardRange(uint64_t first_page, uint64_t pages) {
  const Status status = host().memory().Discard({first_page * kBalloonPage}, pages * kBalloonPage);
  if (status || std::exchange(discard_failed_, true)) return;
  DAVIT_LOG_WARN("virtio-balloon: {}", status.error().message);
}

// Free page reporting (5.5.6.7): the buffers are the free pages themselves. Their content may be
// lost, unless the driver relies on a poison value other than zero (5.5.6.6).
void Balloon::ServeReport(DescriptorChain& chain) {
  const bool poisoned = (features_ & kPagePoison) != 0 && ConfigField(kPoison) != 0;
  if (poisoned) return;
  Writer writer = chain.writer();
  const Status status = writer.Discard(writer.remaining());
  if (!status && !std::exchange(discard_failed_, true)) {
    DAVIT_LOG_WARN("virtio-balloon: {}", status.error().message);
  }
}

}  // namespace davit::virtio
