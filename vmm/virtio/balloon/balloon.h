// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory balloon (virtio 1.2, 5.5). The host asks for memory by num_pages; the driver puts
// pages into the balloon (inflate queue), whose host memory is returned at once, or takes them out
// (deflate queue), and reports the size in `actual`. Also: statistics on a timer, free page
// reporting, the device side of free page hinting, page poison.
//
// With no driver: the target is kept and a driver that comes later sees it; the actual size stays.
// A reset keeps the target and the actual size, as QEMU does; the driver starts from the target.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "vmm/io/timer.h"
#include "vmm/virtio/balloon/page_tracker.h"
#include "vmm/virtio/balloon/stats.h"
#include "vmm/virtio/core/device.h"

namespace davit::virtio {

struct BalloonConfig {
  bool deflate_on_oom = false;
  bool free_page_reporting = false;
  bool free_page_hint = false;
  bool page_poison = true;
  // The driver changed `actual`: guest RAM less the balloon, bytes. Device lock held, any thread.
  std::function<void(uint64_t)> on_change;
  // The control thread's, where the statistics timer runs. Outlives the device.
  io::EventLoop* timer_loop = nullptr;
};

class Balloon final : public VirtioDevice {
 public:
  explicit Balloon(BalloonConfig config);

  // --- the control plane: control thread, no lock held ---
  // Guest RAM less the balloon shall be `bytes` (more than there is counts as all of it).
  void SetTarget(uint64_t bytes);
  uint64_t Actual();  // bytes
  BalloonStats Stats();
  uint32_t polling_interval();  // seconds; 0: off
  void SetPollingInterval(uint32_t seconds);

  // --- VirtioDevice ---
  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t offset, std::span<uint8_t> out) override;
  void WriteConfig(uint32_t offset, std::span<const uint8_t> in) override;
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override;
  void HandleQueue(uint16_t index) override;
  bool Reset() override;
  Status OnMemory() override;
  void OnRunning(bool running) override;

 private:
  // Offsets in the configuration space (5.5.4).
  static constexpr size_t kNumPages = 0, kActual = 4, kCommandId = 8, kPoison = 12,
                          kConfigSize = 16;
  enum class Role : uint8_t { kInflate, kDeflate, kStats, kHint, kReport };
  static constexpr uint64_t kPagesATurn = 16384;
  struct PageWork {
    std::optional<DescriptorChain> chain;  // not served to its end yet
    uint64_t done = 0;                     // bytes of it
  };

  uint64_t ConfigField(size_t offset) const;
  void SetConfigField(size_t offset, uint32_t value);
  uint64_t ActualLocked() const;
  // The inflate or deflate queue, at most kPagesATurn numbers of it: a chain may name 2^30 pages,
  // and the loop is not this device's alone.
  void HandlePages(uint16_t index, bool inflate);
  // Whole page numbers of `work`, at most `most`; what is left of `most`.
  Result<uint64_t> ServePages(PageWork& work, bool inflate, uint64_t most);
  void ServeReport(DescriptorChain& chain);
  std::optional<Backing> BackingOf(uint64_t page) const;
  template <typename Fn>
  void ForEachPiece(const PageRange& range, Fn&& fn) const;
  void Inflate(const PageRange& range);
  void Deflate(const PageRange& range);
  void DiscardRange(uint64_t first_page, uint64_t pages);
  void TakeStats(DescriptorChain chain);
  void PollStats();  // timer
  bool polling() const { return interval_ != 0 && stats_queue_ != nullptr; }

  const BalloonConfig config_;
  DeviceTraits traits_;
  std::vector<Role> roles_;  // by queue index
  std::array<uint8_t, kConfigSize> space_{};

  uint64_t features_ = 0;
  std::vector<VirtQueue*> queues_;  // empty: not active
  VirtQueue* stats_queue_ = nullptr;
  std::optional<DescriptorChain> stats_chain_;  // held until the next poll
  PageWork inflate_, deflate_;
  BalloonStats stats_;
  uint32_t interval_ = 0;  // seconds
  bool running_ = true;
  bool poll_due_ = false;  // the timer ran while the VM stood still or the driver had no buffer
  bool discard_failed_ = false;  // logged
  PageTracker tracker_;
  std::optional<io::Timer> timer_;
};

}  // namespace davit::virtio
