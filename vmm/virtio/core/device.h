// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A virtio device apart from transport and bus (virtio 1.2, section 2). It is handed its queues at
// DRIVER_OK and speaks to its driver through them and through DeviceHost.
//
// Threads: each device has one lock, DeviceHost's. Every virtual below is called with it held: on
// vCPU threads (ReadConfig, WriteConfig, Activate, Reset), on the control thread (Reset, OnRunning)
// and on the device's event loop (HandleQueue). Callbacks of back ends come on the device's loop
// and take the lock first, by `auto lock = host().Lock()`. Nothing blocks while holding it.
//
// A device that meets nonsense from its driver answers in the request where the specification has
// a way, or calls host().NeedsReset(). It never ends the process.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/io/event_loop.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/virtio/core/features.h"
#include "vmm/virtio/core/queue.h"

namespace davit::virtio {

// What the core (frontend.h) offers a device. Outlives it.
class DeviceHost {
 public:
  virtual ~DeviceHost() = default;
  virtual std::unique_lock<std::mutex> Lock() = 0;
  // The device's loop: the iothread's, or the control thread's.
  virtual io::EventLoop& loop() = 0;
  // Guest RAM of now. It changes under the lock alone: OnMemory().
  virtual const memory::GuestMemory& memory() = 0;
  // --- lock held ---
  // The configuration space changed: generation and interrupt (2.5, 4.2.3.4).
  virtual void ConfigChanged() = 0;
  // DEVICE_NEEDS_RESET (2.1.2): the queues are not served again before a reset. `reason` goes to
  // the log, once.
  virtual void NeedsReset(const std::string& reason) = 0;
  // A Reset() that answered false is complete now.
  virtual void ResetDone() = 0;
  // HandleQueue(index) once more, later, on the loop, when the VM runs: for a device that stops
  // before its queue is empty. Any thread, with or without the lock.
  virtual void KickLater(uint16_t index) = 0;
  // --- for queues that the kernel serves (vhost); lock held, between Activate() and Reset() ---
  // The eventfd that gets all kicks of the queue from now until the reset; nobody here reads it and
  // HandleQueue() is not called. The device takes it from the kernel before Reset() is complete.
  // Ring addresses: VirtQueue::config(). Error: out of descriptors.
  virtual Result<int> TakeKicks(uint16_t index) = 0;
  // An eventfd whose signal raises the queue's interrupt, on any transport.
  virtual Result<int> InterruptFd(uint16_t index) = 0;
  // --- control thread, WITHOUT the lock ---
  // Runs fn while no queue is served and nothing is in flight in the device's back ends.
  virtual void WhileQuiet(const std::function<void()>& fn) = 0;
};

struct DeviceTraits {
  std::string_view name;              // "virtio-rng": for logs and thread names
  uint16_t id = 0;                    // kId*
  uint64_t features = 0;              // offered bits of the device itself (below 24 and 50 up)
  std::vector<uint16_t> queue_sizes;  // the maximum of each queue, powers of two
  uint64_t withheld = 0;  // bits of rings (24 to 49) that are not offered though the core has them:
                          // who serves the rings in its place (vhost) has not
  uint64_t required = 0;  // of `features`: FEATURES_OK is refused to a driver without them
  uint32_t config_size = 0;  // bytes; reads beyond give 0, writes beyond are dropped by the core
};

class VirtioDevice {
 public:
  // After Reset() is complete; on the loop's thread while the control thread waits (so watches and
  // timers of the loop may be members). No lock.
  virtual ~VirtioDevice() = default;
  virtual const DeviceTraits& traits() const = 0;  // constant over the device's life; no lock

  // [offset, offset + size) lies inside config_size.
  virtual void ReadConfig(uint32_t offset, std::span<uint8_t> out) = 0;
  virtual void WriteConfig(uint32_t offset, std::span<const uint8_t> in) = 0;
  // The driver set DRIVER_OK. queues[i] is null where the driver left queue i disabled. They stay
  // valid until Reset() is complete. features: negotiated. Error: NEEDS_RESET with its text.
  // HandleQueue() follows for each enabled queue, kicked or not.
  virtual Status Activate(uint64_t features, std::span<VirtQueue* const> queues) = 0;
  // Queue `index` was kicked (spurious ones happen). Only between Activate() and Reset(), for
  // enabled queues, while the VM runs.
  virtual void HandleQueue(uint16_t index) = 0;
  // Back to the state before Activate(). True: done, nothing is in flight. False: requests are
  // still in a back end; the device calls host().ResetDone() when the last has ended. No request
  // touches guest memory after that. Also called when it was never activated.
  virtual bool Reset() = 0;
  // host().memory() is another (hot-plug), for one who passes it on. Error: it cannot; the old one
  // comes back and this is called again.
  virtual Status OnMemory() { return {}; }
  // The VM stops (false) or goes on (true). Stopped: no new request is started.
  virtual void OnRunning(bool running) { (void)running; }
  // The machine is reset; the device has been. Control thread, WITHOUT the lock.
  virtual void OnMachineReset() {}
  // Waits until nothing is in flight in the device's back ends, their callbacks included (so a
  // Reset() under way is complete after it). Alone among these calls it is made WITHOUT the lock
  // and may block: on the loop's thread, when the VM stops or is reset. Needed where Reset() can
  // answer false.
  virtual void Drain() {}

  void set_host(DeviceHost* host) { host_ = host; }  // once, by the core, before anything else

 protected:
  DeviceHost& host() const { return *host_; }

 private:
  DeviceHost* host_ = nullptr;
};

}  // namespace davit::virtio
