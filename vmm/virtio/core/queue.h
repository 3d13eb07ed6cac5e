// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Virtqueues (virtio 1.2, 2.6 to 2.8). A QueueConfig is what the driver sets through a transport;
// it becomes a VirtQueue only by Activate, which checks the rings once and copies the
// configuration: what the driver writes to the registers later changes nothing. Split and packed
// rings behind the same calls; EVENT_IDX inside. Owner: the device's lock (device.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"
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
  virtual Result<std::optional<DescriptorChain>> Pop() = 0;
  // Puts the last popped chain back as if it had not been popped. Only in reverse order.
  virtual void Unpop(DescriptorChain chain) = 0;
  // Gives the chain back with `written` bytes of its writable part filled from the front. The
  // driver sees it at once; Notify() raises the interrupt. Error: the used ring is gone (memory
  // unplugged); as for Pop().
  virtual Status Complete(DescriptorChain chain, uint64_t written) = 0;
  // Raises the queue's interrupt if the driver wants one for what was completed since the last
  // call. One call after a batch.
  virtual void Notify() = 0;
  // Kicks wanted or not. EnableKicks(): true when requests came in between, which need a Pop() now.
  virtual bool EnableKicks() = 0;
  virtual void DisableKicks() = 0;

  virtual uint16_t size() const = 0;
  // Chains popped and not completed; never above size().
  virtual uint16_t in_flight() const = 0;

 protected:
  VirtQueue() = default;
};

}  // namespace davit::virtio
