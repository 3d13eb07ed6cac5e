// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See scsi.h: configuration, queues, life. Commands: scsi_commands.cc; task management and events:
// scsi_control.cc.
#include "vmm/virtio/scsi/scsi.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/virtio/scsi/scsi_internal.h"

namespace davit::virtio {

Result<std::unique_ptr<ScsiDevice>> ScsiDevice::Create(const ScsiConfig& config) {
  if (config.num_queues == 0 || config.num_queues > 1024 - scsi::kFirstRequestQueue) {
    return Fail(
        fmt::format("Invalid number of queues (= {}), must be a positive integer less than {}.",
                    config.num_queues, 1024 - scsi::kFirstRequestQueue));
  }
  if (config.queue_size <= 2) {
    return Fail(
        fmt::format("invalid virtqueue_size property (= {}), must be > 2", config.queue_size));
  }
  if (config.queue_size > 1024 || !std::has_single_bit(config.queue_size)) {
    return Fail(
        fmt::format("invalid virtqueue_size property (= {}), must be a power of 2 (max 1024)",
                    config.queue_size));
  }
  return std::unique_ptr<ScsiDevice>(new ScsiDevice(config));
}

ScsiDevice::ScsiDevice(const ScsiConfig& config) : config_(config) {
  traits_.name = "virtio-scsi";
  traits_.id = kIdScsi;
  traits_.features = scsi::kFeatureHotplug | scsi::kFeatureChange;
  traits_.queue_sizes.assign(scsi::kFirstRequestQueue + config.num_queues, config.queue_size);
  traits_.config_size = sizeof(scsi::Config);
  notify_.resize(traits_.queue_sizes.size());
}

ScsiDevice::~ScsiDevice() {
  for (const auto& [key, lun] : luns_) LetGo(*lun);
}

void ScsiDevice::LetGo(Lun& lun) {
  lun.disk->set_resized(nullptr);
  lun.disk->set_tray(nullptr);
  lun.disk->set_owner(nullptr);
}

Status ScsiDevice::AddFirstUnit(const ScsiUnitConfig& config,
                                std::shared_ptr<backend::BlockBackend> disk) {
  const Key key = KeyOf(config.target, config.lun);
  if (config.lun > kMaxLun) return Fail(fmt::format("bad scsi device lun: {}", config.lun));
  const scsi::Unit& unit = config.unit;
  if (unit.block_size < 512 || !std::has_single_bit(unit.block_size) ||
      !std::has_single_bit(unit.physical_block_size) ||
      unit.physical_block_size < unit.block_size) {
    return Fail("logical_block_size > physical_block_size not supported");
  }
  if (luns_.contains(key)) return Fail("lun already used by another device");
  auto lun = std::make_unique<Lun>(*this, config, std::move(disk));
  lun->disk->set_resized([this, raw = lun.get()] {
    const auto lock = host().Lock();
    Resized(*raw);
  });
  lun->disk->set_owner(this);
  if (unit.removable) lun->disk->set_tray(lun.get());
  luns_.emplace(key, std::move(lun));
  return {};
}

Status ScsiDevice::AddUnit(const ScsiUnitConfig& config,
                           std::shared_ptr<backend::BlockBackend> disk) {
  const auto lock = host().Lock();
  DAVIT_TRY(AddFirstUnit(config, std::move(disk)));
  Lun& lun = *luns_.at(KeyOf(config.target, config.lun));
  if (!active_) return {};
  lun.disk->Start(host().loop(), [this] { Ready(); });
  UnitsChanged(config, scsi::kRescan);
  return {};
}

void ScsiDevice::RemoveUnit(uint8_t target, uint16_t lun) {
  std::unique_ptr<Lun> unit;  // whose disk waits for the loop as it goes: not under the lock
  const auto lock = host().Lock();
  const auto it = luns_.find(KeyOf(target, lun));
  if (it == luns_.end()) return;
  LetGo(*it->second);
  DAVIT_CHECK(it->second->disk->in_flight() == 0);
  for (const std::unique_ptr<Active>& active : held_) {
    if (active->lun == it->second.get()) active->task.aborted = true;
  }
  AbortHeld();
  unit = std::move(it->second);
  luns_.erase(it);
  UnitsChanged(unit->config, scsi::kRemoved);
  Reap();
}

bool ScsiDevice::HasUnit(uint8_t target, uint16_t lun) const {
  const auto it = luns_.find(KeyOf(target, lun));
  return it != luns_.end();
}

std::vector<uint16_t> ScsiDevice::LunsOf(uint8_t target) const {
  std::vector<uint16_t> luns;
  for (auto it = luns_.lower_bound(KeyOf(target, 0)); it != luns_.end(); ++it) {
    if (it->second->config.target != target) break;
    luns.push_back(it->second->config.lun);
  }
  return luns;
}

ScsiDevice::Lun* ScsiDevice::Find(const scsi::LunAddress& address) {
  if (!WellFormed(address)) return nullptr;
  const auto it = luns_.find(KeyOf(address[1], LunOf(address)));
  return it == luns_.end() ? nullptr : it->second.get();
}

// --- trays ---------------------------------------------------------------------------------------

bool ScsiDevice::Lun::tray_open() {
  const auto lock = owner.host().Lock();
  return tray.open();
}

bool ScsiDevice::Lun::tray_locked() {
  const auto lock = owner.host().Lock();
  return tray.locked();
}

void ScsiDevice::Lun::MoveTray(bool open) {
  {
    const auto lock = owner.host().Lock();
    const bool was_open = tray.open();
    tray.Move(open);
    Raise(scsi::kTrayWasMoved);
    if (was_open == open) return;
  }
  disk->NoteTrayMoved(open, false);
}

void ScsiDevice::Lun::RequestEject(bool force) {
  const auto lock = owner.host().Lock();
  tray.RequestEject(force);
}

void ScsiDevice::Lun::WhileQuiet(const std::function<void()>& fn) {
  owner.host().WhileQuiet([&] {
    const auto lock = owner.host().Lock();
    fn();
    for (const std::unique_ptr<Active>& active : owner.held_) {
      if (active->lun == this) active->medium_gone = true;
    }
  });
}

// --- configuration space -------------------------------------------------------------------------

void ScsiDevice::ReadConfig(uint32_t offset, std::span<uint8_t> out) {
  scsi::Config config{};
  config.num_queues = config_.num_queues;
  config.seg_max = config_.seg_max_adjust ? config_.queue_size - 2u : 126u;
  config.max_sectors = config_.max_sectors;
  config.cmd_per_lun = config_.cmd_per_lun;
  config.event_info_size = sizeof(scsi::Event);
  config.sense_size = sense_size_;
  config.cdb_size = cdb_size_;
  config.max_target = 255;
  config.max_lun = kMaxLun;
  const auto bytes = std::bit_cast<std::array<uint8_t, sizeof(config)>>(config);
  std::copy_n(bytes.begin() + offset, out.size(), out.begin());
}

void ScsiDevice::WriteConfig(uint32_t offset, std::span<const uint8_t> in) {
  if (in.size() != 4) return;
  const uint64_t value = LoadLe(in.data(), 4);
  if (offset == scsi::kConfigSenseSize) {
    if (value >= 65536) return host().NeedsReset("bad sense_size written");
    sense_size_ = static_cast<uint32_t>(value);
  } else if (offset == scsi::kConfigCdbSize) {
    if (value == 0 || value >= 256) return host().NeedsReset("bad cdb_size written");
    cdb_size_ = static_cast<uint32_t>(value);
  }
}

// --- life ----------------------------------------------------------------------------------------

Status ScsiDevice::Activate(uint64_t features, std::span<VirtQueue* const> queues) {
  features_ = features;
  queues_.assign(queues.begin(), queues.end());
  for (uint16_t i = 0; i < queues_.size(); ++i) {
    VirtQueue* const queue = queues_[i];
    if (queue == nullptr) continue;
    queue->set_on_stop([this, queue, i] {
      if (i == scsi::kControlQueue) DropWaiting();
      DropHeld(queue);
    });
  }
  for (const auto& [key, lun] : luns_) {
    lun->disk->Start(host().loop(), [this] { Ready(); });
  }
  active_ = true;
  return {};
}

void ScsiDevice::HandleQueue(uint16_t index) {
  if (std::exchange(retry_, false)) RetryHeld();
  VirtQueue& queue = *queues_[index];
  if (index == scsi::kEventQueue) {
    if (events_missed_) SendEvent(scsi::kNoEvent, {}, 0);
    return;
  }
  uint16_t left = queue.size();
  for (; left > 0; --left) {
    auto chain = queue.Pop();
    if (!chain) {
      host().NeedsReset(chain.error().message);
      break;
    }
    if (!*chain) break;
    if (index == scsi::kControlQueue) {
      HandleControl(std::move(**chain));
    } else {
      StartCommand(index, std::move(**chain));
    }
  }
  if (index == scsi::kControlQueue) AbortHeld();
  if (left == 0) host().KickLater(index);
  for (const auto& [key, lun] : luns_) lun->disk->Kick();
  Reap();
}

void ScsiDevice::FailChain(uint16_t queue, DescriptorChain chain, const char* reason) {
  host().NeedsReset(reason);
  (void)queues_[queue]->Complete(std::move(chain), 0);
}

size_t ScsiDevice::in_flight() const {
  size_t count = 0;
  for (const auto& [key, lun] : luns_) count += lun->disk->in_flight();
  return count;
}

void ScsiDevice::Reap() {
  // Ended() may submit the next part of a request, which may have ended already.
  for (const auto& [key, lun] : luns_) lun->disk->Reap();
  for (size_t i = 0; i < notify_.size(); ++i) {
    if (!notify_[i]) continue;
    notify_[i] = false;
    queues_[i]->Notify();
  }
}

void ScsiDevice::Ready() {
  const auto lock = host().Lock();
  Reap();
  if (!resetting_ || in_flight() != 0) return;
  resetting_ = false;
  host().ResetDone();
}

void ScsiDevice::RetryHeld() {
  std::deque<std::unique_ptr<Active>> held = std::exchange(held_, {});
  for (std::unique_ptr<Active>& active : held) {
    if (!active->lun->ready()) {
      CompleteSense(std::move(active), scsi::kNoMedium);
    } else if (active->medium_gone) {
      CompleteSense(std::move(active), scsi::kMediumMayHaveChanged);
    } else {
      Issue(std::move(active));
    }
  }
}

void ScsiDevice::DropHeld(const VirtQueue* queue) {
  for (std::unique_ptr<Active>& active : held_) {
    VirtQueue* const own = queues_[active->queue];
    if (queue != nullptr && own != queue) continue;
    active->io.reset();
    (void)own->Complete(std::move(*active->chain), 0);
    Forget(*active);
    active.reset();
  }
  std::erase(held_, nullptr);
}

void ScsiDevice::DropWaiting() {
  for (const auto& [key, lun] : luns_) lun->tasks.DropWaits();
  for (auto& [number, task] : std::exchange(waiting_, {})) {
    (void)queues_[scsi::kControlQueue]->Complete(std::move(task.chain), 0);
  }
}

bool ScsiDevice::Reset() {
  DropHeld(nullptr);
  DropWaiting();
  features_ = 0;
  sense_size_ = scsi::kDefaultSenseSize;
  cdb_size_ = scsi::kDefaultCdbSize;
  active_ = false;
  retry_ = false;
  events_missed_ = false;
  for (const auto& [key, lun] : luns_) lun->Reset();
  if (in_flight() == 0) return true;
  resetting_ = true;
  for (const auto& [key, lun] : luns_) lun->disk->Drain();
  return false;
}

void ScsiDevice::OnRunning(bool running) {
  if (!running) return;
  retry_ = !held_.empty();
  for (const std::unique_ptr<Active>& active : held_) host().KickLater(active->queue);
}

void ScsiDevice::Drain() {
  for (;;) {
    backend::BlockBackend* busy = nullptr;
    {
      const auto lock = host().Lock();
      for (const auto& [key, lun] : luns_) lun->disk->Drain();
      Reap();
      for (const auto& [key, lun] : luns_) {
        if (lun->disk->in_flight() != 0) busy = lun->disk.get();
      }
    }
    if (busy == nullptr) break;
    busy->WaitSome();
  }
  Ready();
}

}  // namespace davit::virtio
