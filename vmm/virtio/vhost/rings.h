// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The queues of a virtio device that the host's kernel serves (vhost), or those of one descriptor
// where a device has several. The device checks and activates its queues as any other and hands
// them over here: guest memory, ring addresses, eventfds for kicks and interrupts. Ring n of the
// kernel is queue first + n of the device.
//
//   Activate(): Attach(), Start(), then the device's own back end on (Kernel)
//   the VM stops: back end off, Stop();  goes on: Start(), back end on
//   Reset(): back end off, Stop(), Detach()
//
// Owner: the device's lock. Split rings alone: the kernel knows no packed ones (withheld()).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/virtio/core/device.h"
#include "vmm/virtio/vhost/kernel.h"

namespace davit::virtio::vhost {

class Rings {
 public:
  // Makes this process the owner. Error: QEMU's words, "vhost_set_owner failed: cause".
  static Result<std::unique_ptr<Rings>> Create(std::unique_ptr<Kernel> kernel);
  ~Rings() { Stop(); }
  Rings(const Rings&) = delete;
  Rings& operator=(const Rings&) = delete;

  Kernel& kernel() { return *kernel_; }
  uint64_t features() const { return features_; }  // of the kernel
  // Features of rings that the kernel has not: for DeviceTraits::withheld.
  uint64_t withheld() const;

  // queues[n]: null where the driver left it disabled, which the kernel then never hears of. From
  // now until the device's reset kicks are the kernel's. features: negotiated; those that the
  // kernel has are told it. Error: out of descriptors.
  Status Attach(DeviceHost& host, uint64_t features, uint16_t first,
                std::span<VirtQueue* const> queues);
  bool attached() const { return host_ != nullptr; }
  // The rings go on where they stood at the last Stop(). Error: a ring that does not lie in one
  // piece of this process's memory, or the kernel's; then none is started.
  Status Start();
  // The device's OnMemory(): what is started goes on with host.memory(). Error: the kernel's ("a
  // used vhost backend has no free memory slots left"); it has the old memory then.
  Status FollowMemory();
  // The device's back end is off. The kernel does not look at the rings any more.
  void Stop();
  // Forgets the queues. Stopped.
  void Detach();

 private:
  struct Ring {
    uint32_t index = 0;  // the kernel's
    VirtQueue* queue = nullptr;
    uint16_t base = 0;
    int kick = -1, call = -1;
    bool started = false;
  };
  Rings(std::unique_ptr<Kernel> kernel, uint64_t features)
      : kernel_(std::move(kernel)), features_(features) {}
  Status StartRing(Ring& ring, std::span<const MemoryRange> memory);

  const std::unique_ptr<Kernel> kernel_;
  const uint64_t features_;
  DeviceHost* host_ = nullptr;  // null: not attached
  uint64_t negotiated_ = 0;
  std::vector<Ring> rings_;
};

}  // namespace davit::virtio::vhost
