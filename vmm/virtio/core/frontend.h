// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The part of a virtio device that every transport shares (virtio 1.2, 2.1 to 2.7, 3.1): status,
// feature negotiation, queue configuration, configuration space with generation, kicks, reset. A
// transport maps its registers to the calls below and raises interrupts (interrupts.h); it holds no
// state of the device protocol itself.
//
// All calls on any thread unless said otherwise; they take the device's lock and never block on
// I/O. The control thread makes and destroys it; what is posted to the loop then does nothing.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/log.h"
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
  // 0: reset. status() keeps its old value until nothing is in flight. Bits stay until a reset;
  // FEATURES_OK is refused (stays 0) without VERSION_1 or with a feature that was not offered,
  // DRIVER_OK without FEATURES_OK.
  void SetStatus(uint8_t value);
  uint64_t offered_features();
  uint64_t driver_features();  // as the driver wrote them
  // 32 bits at a time, half 0 or 1; others are ignored. Refused after FEATURES_OK.
  void SetDriverFeatures(uint32_t half, uint32_t value);
  uint8_t config_generation();
  void ReadConfig(uint32_t offset, std::span<uint8_t> out);
  void WriteConfig(uint32_t offset, std::span<const uint8_t> in);
  // A copy; all zero for an index that does not exist. `ready` stays true while a queue that was
  // disabled has requests in flight.
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
  // index; unknown ones are ignored. Not with the lock held (KickLater()).
  void Kick(uint16_t index);
  // For doorbells: the eventfd of queue `index`, watched by the loop. Lives as long as this.
  // Error: out of descriptors.
  Result<int> KickFd(uint16_t index);

  // --- the machine's side, control thread ---
  // Power-on state, at once; waits for what is in flight (an iothread's loop keeps running; on the
  // loop's own thread the device drains).
  void Quiesce();
  // False: also waits until nothing is in flight. Before the first call the VM counts as running.
  void OnRunning(bool running);
  // The guest's RAM changes (hot-plug): what later requests see. Error: the device cannot reach it
  // (vhost); then all is as before.
  Status SetMemory(memory::GuestMemory memory);

  // --- DeviceHost ---
  std::unique_lock<std::mutex> Lock() override { return std::unique_lock(mutex_); }
  io::EventLoop& loop() override { return loop_; }
  const memory::GuestMemory& memory() override { return memory_; }
  void ConfigChanged() override;
  void NeedsReset(const std::string& reason) override;
  void ResetDone() override;
  void KickLater(uint16_t index) override;
  Result<int> TakeKicks(uint16_t index) override;
  Result<int> InterruptFd(uint16_t index) override;
  void WhileQuiet(const std::function<void()>& fn) override;

 private:
  struct Queue {
    QueueConfig config;
    std::unique_ptr<VirtQueue> ring;  // between DRIVER_OK and the end of the reset
    bool disabling = false;           // ring stopped by the driver, config not yet reset
    bool kicked = false;              // while the VM was stopped
    bool external = false;            // TakeKicks()
    std::atomic<bool> posted{false};  // a Serve() is on its way
  };
  // What the loop's thread reaches even when the Frontend is gone; keeps descriptors and watches.
  struct LoopSide final : io::Poller {
    bool Poll() override;
    void OnSpin(bool spinning) override;
    struct Eventfd {
      UniqueFd fd;
      std::unique_ptr<io::Registration> watch;  // loop
    };
    std::mutex gate;                            // held by callbacks; before mutex_
    Frontend* owner = nullptr;                  // null: destroyed
    std::vector<Eventfd> kicks;                 // by queue
    std::vector<Eventfd> calls;                 // by queue: InterruptFd()
    std::unique_ptr<io::Registration> polling;  // loop
  };

  bool Exists(uint16_t index) const { return index < queues_.size(); }
  const std::string& LogName() const { return log_name_; }
  // Runs fn on the loop's thread unless this is destroyed before.
  void PostToLoop(std::function<void()> fn);
  // Runs fn on the loop's thread and waits; here, when the loop has not run yet.
  void RunOnLoop(const std::function<void()>& fn);
  void WatchKicks(uint16_t index);  // loop
  void WatchCalls(uint16_t index);  // loop
  void OnKickFd(uint16_t index);    // loop
  void Serve(uint16_t index);       // loop
  bool PollQueues();                // loop
  void SetPolled(bool polled);      // loop
  void PostServe(uint16_t index);

  // mutex_ held:
  bool Serves(const Queue& queue) const;  // now, but for a stopped VM
  Result<int> KickFdLocked(uint16_t index);
  bool FeaturesAcceptable() const;
  void Activate();
  void StartReset();
  void FinishReset();
  void FinishDisable(Queue& queue);
  void RaiseConfig();

  std::unique_ptr<VirtioDevice> device_;  // never null but in the destructor
  const FrontendOptions options_;
  const std::string log_name_;
  const uint64_t offered_;
  io::EventLoop& loop_;
  const std::shared_ptr<LoopSide> loop_side_;
  std::atomic<std::thread::id> loop_thread_{};  // of the first callback
  std::atomic<DeviceInterrupts*> interrupts_{nullptr};

  std::mutex mutex_;  // the device's lock; guards what follows
  std::condition_variable reset_done_;
  memory::GuestMemory memory_;
  std::vector<Queue> queues_;
  uint64_t driver_features_ = 0;
  uint8_t status_ = 0;
  uint8_t generation_ = 0;
  bool active_ = false;     // between Activate() and Reset() of the device
  bool resetting_ = false;  // Reset() answered false
  bool running_ = true;
  LogLimiter log_limiter_;
};

}  // namespace davit::virtio
