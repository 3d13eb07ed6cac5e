// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The part of a virtio device that every transport shares (virtio 1.2, 2.1 to 2.7, 3.1): status,
// feature negotiation, queue configuration, configuration space with generation, kicks, reset. A
// transport maps its registers to the calls below and raises interrupts (interrupts.h); it holds no
// state of the device protocol itself.
//
// All calls on any thread unless said otherwise; they take the device's lock and never block on
// I/O. The control thread makes and destroys it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/event_loop.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/virtio/core/device.h"
#include "vmm/virtio/core/interrupts.h"
#include "vmm/virtio/core/queue.h"

namespace davit::virtio {

// The properties that every virtio device has (QEMU's names in device properties).
struct FrontendOptions {
  std::string id;             // of the device, for logs; may be empty
  bool indirect_desc = true;  // indirect_desc=
  bool event_idx = true;      // event_idx=
  bool packed = false;        // packed=
  bool in_order = false;      // in_order=
  bool queue_reset = true;    // queue_reset=
};

class Frontend final : public DeviceHost {
 public:
  // loop: where queues are served and back ends call back (the iothread's or the control thread's;
  // outlives this).
  Frontend(std::unique_ptr<VirtioDevice> device, const FrontendOptions& options,
           io::EventLoop& loop, memory::GuestMemory memory);
  // Nothing may be in flight (Quiesce()), no transport may call any more.
  ~Frontend() override;

  // The transport, before anything else and outliving every call; nullptr detaches.
  void SetInterrupts(DeviceInterrupts* interrupts);

  VirtioDevice& device() { return *device_; }
  const DeviceTraits& traits() const { return device_->traits(); }
  uint16_t queue_count() const { return static_cast<uint16_t>(traits().queue_sizes.size()); }

  // --- the driver's registers ---
  uint8_t status();
  // 0: reset. status() keeps its old value until nothing is in flight.
  void SetStatus(uint8_t value);
  uint64_t offered_features();
  uint64_t driver_features();
  // 32 bits at a time, half 0 or 1; others are ignored. Refused after FEATURES_OK.
  void SetDriverFeatures(uint32_t half, uint32_t value);
  uint8_t config_generation();
  void ReadConfig(uint32_t offset, std::span<uint8_t> out);
  void WriteConfig(uint32_t offset, std::span<const uint8_t> in);
  // A copy; all zero for an index that does not exist.
  QueueConfig queue(uint16_t index);
  // Changes a queue that is not ready. False: no such queue, or ready. `change` must not keep the
  // reference.
  bool ConfigureQueue(uint16_t index, const std::function<void(QueueConfig&)>& change);
  // True -> ready. False -> disabled, where the transport has such a way (mmio QueueReady = 0).
  void SetQueueReady(uint16_t index, bool ready);
  // RING_RESET (2.6.1): starts the reset of one queue; queue_resetting() until it is complete.
  void ResetQueue(uint16_t index);
  bool queue_resetting(uint16_t index);

  // A notification by a register write. Served at once on the device's loop, else posted to it. Any
  // index; unknown ones are ignored.
  void Kick(uint16_t index);
  // For doorbells: the eventfd of queue `index`, watched by the loop. Lives as long as this.
  // Error: out of descriptors.
  Result<int> KickFd(uint16_t index);

  // --- the machine's side, control thread ---
  // Power-on state, at once; waits for what is in flight (the loop keeps running).
  void Quiesce();
  void OnRunning(bool running);
  // The guest's RAM changed (hot-plug): what later requests see.
  void SetMemory(memory::GuestMemory memory);

  // --- DeviceHost ---
  std::unique_lock<std::mutex> Lock() override { return std::unique_lock(mutex_); }
  io::EventLoop& loop() override { return loop_; }
  const memory::GuestMemory& memory() override { return memory_; }
  void ConfigChanged() override;
  void NeedsReset(const std::string& reason) override;
  void ResetDone() override;

 private:
  const std::unique_ptr<VirtioDevice> device_;
  const FrontendOptions options_;
  io::EventLoop& loop_;
  std::mutex mutex_;  // the device's lock
  memory::GuestMemory memory_;
};

}  // namespace davit::virtio
