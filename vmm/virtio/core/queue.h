// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Virtqueues (virtio 1.2, 2.6 to 2.8). A QueueConfig is what the driver sets through a transport;
// it becomes a VirtQueue only by Activate, which checks the rings once and copies the
// configuration: what the driver writes to the registers later changes nothing. Split and packed
// rings behind the same calls; EVENT_IDX and IN_ORDER inside. Owner: the device's lock (device.h).
//
// A loop that serves a queue:  while (auto chain = Pop()) { ...; Complete(chain, written); }
// Notify();  Pop() giving nullopt asks the driver for a kick when it queues more (unless
// DisableKicks()), with no window in which a request is lost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/memory/guest_window.h"
#include "vmm/virtio/core/chain.h"

namespace davit::virtio {

// As the driver sets it. Setters of the transport refuse once `ready`.
struct QueueConfig {
  uint16_t max_size = 0;  // what the device offers, power of two
  uint16_t size = 0;      // what the driver chose
  bool ready = false;
  memory::GuestAddress descriptors;  // descriptor table / descriptor ring
  memory::GuestAddress driver;       // available ring / driver event suppression
  memory::GuestAddress device;       // used ring / device event suppression
};

// The interrupt of one queue. Any thread, never blocks.
using QueueInterrupt = std::function<void()>;

class VirtQueue {
 public:
  // features: negotiated. Error: size 0, above the maximum, not a power of two (split), rings
  // misaligned, not RAM, or overlapping the end of memory.
  static Result<std::unique_ptr<VirtQueue>> Activate(const QueueConfig& config, uint64_t features,
                                                     memory::GuestMemory memory,
                                                     QueueInterrupt interrupt);
  virtual ~VirtQueue() = default;
  VirtQueue(const VirtQueue&) = delete;
  VirtQueue& operator=(const VirtQueue&) = delete;

  // The next request; nullopt: the driver has queued no more. Error: the driver broke the rules
  // (the device goes NEEDS_RESET; the queue stays broken and gives the same error again).
  Result<std::optional<DescriptorChain>> Pop();
  // Puts the last popped chain back as if it had not been popped. Only in reverse order.
  void Unpop(DescriptorChain chain);
  // Gives the chain back with `written` bytes of its writable part filled from the front. The
  // driver sees it at once (under IN_ORDER: when all before it are given back too); Notify() raises
  // the interrupt. `written` is at most the chain's writable_bytes(). Error: as for Pop().
  Status Complete(DescriptorChain chain, uint64_t written);
  // Gives several chains back in this order so that the driver sees all of them or none: one frame
  // over several buffers (5.1.6.4). They are moved from. Otherwise as Complete().
  struct Completed {
    DescriptorChain chain;
    uint64_t written = 0;
  };
  Status CompleteAll(std::span<Completed> chains);
  // Raises the queue's interrupt if the driver wants one for what was completed since the last
  // call. One call after a batch.
  void Notify();
  // Kicks wanted or not. EnableKicks(): true when requests came in between, which need a Pop() now.
  bool EnableKicks();
  void DisableKicks();

  uint16_t size() const { return config_.size; }
  // Chains popped and not completed; never above size().
  uint16_t in_flight() const { return in_flight_; }
  // Where the driver has put it, as activated (vhost).
  const QueueConfig& config() const { return config_; }

  // Called (lock held) when the driver resets this queue alone (RING_RESET). The device then
  // completes all chains of this queue that it holds without a back end at work on them, with 0
  // written, and ends the others soon; Complete() drops them. Until in_flight() is 0 the driver
  // sees the reset under way. Needed only where a device keeps chains for later.
  void set_on_stop(std::function<void()> fn) { on_stop_ = std::move(fn); }

  // --- the core's side ---
  // The ring is gone: Pop() gives nullopt, Complete() drops, no interrupt, until Restart().
  // tell_device: by the call of set_on_stop().
  void Stop(bool tell_device);
  bool stopped() const { return stopped_; }
  // A ring at a new place, from the beginning. Stopped, nothing in flight. Error: as Activate().
  Status Restart(const QueueConfig& config);
  // The guest's RAM changed: what later requests see.
  void SetMemory(memory::GuestMemory memory);
  // For a loop that looks at the ring instead of waiting for kicks. While polled, a driver with
  // several requests under way is asked for none (one may come all the same); afterwards as the
  // device has it: look once more then.
  void SetPolled(bool polled);
  // True: the device had emptied the queue, wants to hear of the next request, and there is one.
  // Once, until it has emptied the queue again.
  bool TakeKick();

 protected:
  VirtQueue(uint64_t features, memory::GuestMemory memory, QueueInterrupt interrupt);

  // What a ring format does. PopRing fills `state` and moves on, or answers false (no more).
  virtual Status OpenRing(const QueueConfig& config) = 0;
  virtual Result<bool> PopRing(ChainState& state) = 0;
  virtual void UnpopRing(const ChainState& state) = 0;
  virtual void CompleteRing(const ChainState& state, uint32_t written) = 0;
  // What CompleteRing() gives back between the two becomes visible with the second.
  virtual void HoldRing() = 0;
  virtual void PublishRing() = 0;
  // True when the driver wants an interrupt for what was completed since the last call.
  virtual bool InterruptWanted() = 0;
  // PopRing() would find a request (or a fault).
  virtual bool RequestWaits() const = 0;
  // Asks for a kick at the next request. True: there is one already.
  virtual bool ArmKicks() = 0;
  virtual void DisarmKicks() = 0;

  bool Negotiated(uint64_t feature) const { return (features_ & feature) != 0; }
  // A part of the ring. Error: misaligned, not RAM; names `what`.
  Result<memory::GuestWindow> OpenPart(const char* what, memory::GuestAddress at, uint64_t align,
                                       uint64_t size) const;

 private:
  struct Ordered {                     // IN_ORDER: a chain in flight, oldest first
    std::unique_ptr<ChainState> done;  // null: not completed yet
    uint32_t written = 0;
    uint16_t id = 0;
  };
  std::unique_ptr<ChainState> NewState();
  void Recycle(std::unique_ptr<ChainState> state);
  bool AwaitKick();         // true: there is a request already
  bool SpareKicks() const;  // the driver need not kick
  void CompleteInOrder(std::unique_ptr<ChainState> state, uint32_t written);

  const uint64_t features_;
  memory::GuestMemory memory_;
  const QueueInterrupt interrupt_;
  std::function<void()> on_stop_;
  QueueConfig config_;
  uint16_t in_flight_ = 0;
  bool stopped_ = false;
  bool kicks_ = true;        // the device wants them
  bool awaits_ = false;      // ... and has emptied the queue
  bool polled_ = false;      // the loop looks
  uint32_t epoch_ = 0;       // counts Stop()
  uint32_t memory_age_ = 0;  // counts SetMemory()
  std::string broken_;       // the error, once there is one
  std::vector<std::unique_ptr<ChainState>> spare_;
  std::vector<Ordered> order_;
};

}  // namespace davit::virtio
