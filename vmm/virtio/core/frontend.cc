// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See frontend.h. Registers of the driver and the life of the device; the loop's side is in
// frontend_loop.cc.
#include "vmm/virtio/core/frontend.h"

#include <algorithm>
#include <string>
#include <utility>

#include "vmm/virtio/core/features.h"

namespace davit::virtio {
namespace {

uint64_t OfferedFeatures(const DeviceTraits& traits, const FrontendOptions& options) {
  uint64_t features = traits.features | kFeatureVersion1;
  if (options.indirect_desc) features |= kFeatureIndirectDesc;
  if (options.event_idx) features |= kFeatureEventIdx;
  if (options.packed) features |= kFeatureRingPacked;
  if (options.in_order) features |= kFeatureInOrder;
  if (options.queue_reset) features |= kFeatureRingReset;
  return features & ~traits.withheld;
}

std::string NameForLog(const DeviceTraits& traits, const FrontendOptions& options) {
  const std::string name(traits.name);
  return options.id.empty() ? name : name + " '" + options.id + "'";
}

}  // namespace

Frontend::Frontend(std::unique_ptr<VirtioDevice> device, const FrontendOptions& options,
                   io::EventLoop& loop, memory::GuestMemory memory)
    : device_(std::move(device)),
      options_(options),
      log_name_(NameForLog(device_->traits(), options)),
      offered_(OfferedFeatures(device_->traits(), options)),
      loop_(loop),
      loop_side_(std::make_shared<LoopSide>()),
      memory_(std::move(memory)),
      queues_(device_->traits().queue_sizes.size()) {
  device_->set_host(this);
  for (size_t i = 0; i < queues_.size(); ++i) {
    queues_[i].config.max_size = queues_[i].config.size = traits().queue_sizes[i];
  }
  loop_side_->owner = this;
  loop_side_->kicks.resize(queues_.size());
  loop_side_->calls.resize(queues_.size());
  // Learns the loop's thread, too.
  PostToLoop([this] { loop_side_->polling = loop_.AddPoller(*loop_side_); });
}

Frontend::~Frontend() {
  {
    const std::lock_guard gate(loop_side_->gate);
    loop_side_->owner = nullptr;
  }
  // Its watches and timers are the loop's.
  RunOnLoop([this] { device_.reset(); });
  // Watches die on the loop's thread, the descriptors after them.
  loop_.Post([side = loop_side_] {
    side->polling.reset();
    for (LoopSide::Eventfd& kick : side->kicks) kick.watch.reset();
    for (LoopSide::Eventfd& call : side->calls) call.watch.reset();
  });
}

void Frontend::SetInterrupts(DeviceInterrupts* interrupts) { interrupts_ = interrupts; }

uint8_t Frontend::status() {
  const std::lock_guard lock(mutex_);
  return status_;
}

void Frontend::SetStatus(uint8_t value) {
  const std::lock_guard lock(mutex_);
  if (resetting_) return;
  if (value == 0) {
    StartReset();
    return;
  }
  uint8_t set = value & ~status_ & ~kStatusNeedsReset;
  if ((set & kStatusFeaturesOk) && !FeaturesAcceptable()) set &= ~kStatusFeaturesOk;
  if ((set & kStatusDriverOk) && !((status_ | set) & kStatusFeaturesOk)) {
    DAVIT_LOG_GUEST_ERROR("{}: DRIVER_OK without FEATURES_OK", LogName());
    set &= ~kStatusDriverOk;
  }
  status_ |= set;
  if (set & kStatusDriverOk) Activate();
}

bool Frontend::FeaturesAcceptable() const {
  const uint64_t required = kFeatureVersion1 | traits().required;
  if ((driver_features_ & ~offered_) == 0 && (driver_features_ & required) == required) return true;
  DAVIT_LOG_GUEST_ERROR("{}: the driver's features 0x{:x} are refused (offered: 0x{:x})", LogName(),
                        driver_features_, offered_);
  return false;
}

void Frontend::Activate() {
  std::vector<VirtQueue*> rings;
  for (size_t i = 0; i < queues_.size(); ++i) {
    Queue& queue = queues_[i];
    if (queue.config.ready) {
      auto ring = VirtQueue::Activate(queue.config, driver_features_, memory_, [this, i] {
        if (DeviceInterrupts* interrupts = interrupts_) {
          interrupts->RaiseQueue(static_cast<uint16_t>(i));
        }
      });
      if (!ring) {
        NeedsReset("queue " + std::to_string(i) + ": " + ring.error().message);
        return;
      }
      queue.ring = std::move(*ring);
    }
    rings.push_back(queue.ring.get());
  }
  active_ = true;
  if (auto activated = device_->Activate(driver_features_, rings); !activated) {
    NeedsReset(activated.error().message);
    return;
  }
  // The driver may have filled queues before; also asks it for kicks.
  for (size_t i = 0; i < queues_.size(); ++i) {
    if (queues_[i].ring) PostServe(static_cast<uint16_t>(i));
  }
}

void Frontend::StartReset() {
  active_ = false;
  for (Queue& queue : queues_) {
    if (queue.ring) queue.ring->Stop(false);
  }
  if (device_->Reset()) {
    FinishReset();
  } else {
    resetting_ = true;
  }
}

void Frontend::FinishReset() {
  resetting_ = false;
  status_ = 0;
  driver_features_ = 0;
  for (size_t i = 0; i < queues_.size(); ++i) {
    Queue& queue = queues_[i];
    queue.ring.reset();
    queue.kicked = queue.disabling = false;
    if (std::exchange(queue.external, false)) {
      PostToLoop([this, i] { WatchKicks(static_cast<uint16_t>(i)); });
    }
    const uint16_t max_size = queue.config.max_size;
    queue.config = {};
    queue.config.max_size = queue.config.size = max_size;
  }
  reset_done_.notify_all();
}

void Frontend::ResetDone() {
  if (resetting_) FinishReset();
}

uint64_t Frontend::offered_features() { return offered_; }

uint64_t Frontend::driver_features() {
  const std::lock_guard lock(mutex_);
  return driver_features_;
}

void Frontend::SetDriverFeatures(uint32_t half, uint32_t value) {
  const std::lock_guard lock(mutex_);
  if (half > 1 || resetting_ || (status_ & kStatusFeaturesOk)) return;
  const unsigned shift = half * 32;
  driver_features_ =
      (driver_features_ & ~(uint64_t{UINT32_MAX} << shift)) | (uint64_t{value} << shift);
}

uint8_t Frontend::config_generation() {
  const std::lock_guard lock(mutex_);
  return generation_;
}

void Frontend::ReadConfig(uint32_t offset, std::span<uint8_t> out) {
  std::fill(out.begin(), out.end(), 0);
  const uint32_t size = traits().config_size;
  if (offset >= size) return;
  const auto inside = out.first(std::min<size_t>(out.size(), size - offset));
  const std::lock_guard lock(mutex_);
  device_->ReadConfig(offset, inside);
}

void Frontend::WriteConfig(uint32_t offset, std::span<const uint8_t> in) {
  const uint32_t size = traits().config_size;
  if (offset >= size) return;
  const auto inside = in.first(std::min<size_t>(in.size(), size - offset));
  const std::lock_guard lock(mutex_);
  if (resetting_) return;
  device_->WriteConfig(offset, inside);
}

QueueConfig Frontend::queue(uint16_t index) {
  const std::lock_guard lock(mutex_);
  if (!Exists(index)) return {};
  FinishDisable(queues_[index]);
  return queues_[index].config;
}

bool Frontend::ConfigureQueue(uint16_t index, const std::function<void(QueueConfig&)>& change) {
  const std::lock_guard lock(mutex_);
  if (!Exists(index) || resetting_) return false;
  Queue& queue = queues_[index];
  FinishDisable(queue);
  if (queue.config.ready) return false;
  QueueConfig changed = queue.config;
  change(changed);
  changed.max_size = queue.config.max_size;
  changed.ready = false;
  queue.config = changed;
  return true;
}

void Frontend::SetQueueReady(uint16_t index, bool ready) {
  const std::lock_guard lock(mutex_);
  if (!Exists(index) || resetting_) return;
  Queue& queue = queues_[index];
  FinishDisable(queue);
  if (ready == queue.config.ready) return;
  if (!ready) {
    if (queue.ring) {
      queue.disabling = true;
      queue.ring->Stop(true);
      FinishDisable(queue);
    } else {
      queue.config.ready = false;
    }
    return;
  }
  queue.config.ready = true;
  if (!active_) return;
  if (!queue.ring) {
    DAVIT_LOG_GUEST_ERROR("{}: queue {} enabled after DRIVER_OK", LogName(), index);
  } else if (auto restarted = queue.ring->Restart(queue.config); !restarted) {
    NeedsReset("queue " + std::to_string(index) + ": " + restarted.error().message);
  } else {
    PostServe(index);
  }
}

void Frontend::FinishDisable(Queue& queue) {
  if (!queue.disabling || queue.ring->in_flight() != 0) return;
  queue.disabling = false;
  const uint16_t max_size = queue.config.max_size;
  queue.config = {};
  queue.config.max_size = queue.config.size = max_size;
}

void Frontend::ResetQueue(uint16_t index) {
  {
    const std::lock_guard lock(mutex_);
    if (!(driver_features_ & kFeatureRingReset) || !(status_ & kStatusFeaturesOk)) return;
  }
  SetQueueReady(index, false);
}

bool Frontend::queue_resetting(uint16_t index) {
  const std::lock_guard lock(mutex_);
  if (!Exists(index)) return false;
  FinishDisable(queues_[index]);
  return queues_[index].disabling;
}

void Frontend::ConfigChanged() {
  ++generation_;
  RaiseConfig();
}

void Frontend::RaiseConfig() {
  if (!(status_ & kStatusDriverOk) || resetting_) return;
  if (DeviceInterrupts* interrupts = interrupts_) interrupts->RaiseConfig();
}

void Frontend::NeedsReset(const std::string& reason) {
  if (status_ & kStatusNeedsReset || resetting_) return;
  if (log_limiter_.Allow()) DAVIT_LOG_WARN("{}: needs a reset: {}", LogName(), reason);
  status_ |= kStatusNeedsReset;
  RaiseConfig();
}

Status Frontend::SetMemory(memory::GuestMemory memory) {
  const std::lock_guard lock(mutex_);
  std::swap(memory_, memory);
  Status followed = device_->OnMemory();
  if (!followed) {
    std::swap(memory_, memory);
    // Parts of the device may have the new table.
    if (Status back = device_->OnMemory(); !back) NeedsReset(back.error().message);
    return followed;
  }
  for (Queue& queue : queues_) {
    if (queue.ring) queue.ring->SetMemory(memory_);
  }
  return {};
}

}  // namespace davit::virtio
