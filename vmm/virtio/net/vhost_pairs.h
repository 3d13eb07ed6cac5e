// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The queue pairs of a card that the host's kernel serves (vhost-net), each by a descriptor of its
// own between the driver's rings and a queue of the tap. Frames then pass by this process, the
// receive filter with them; the control queue stays here. From DRIVER_OK to the reset the pairs are
// the kernel's or nobody's: while the VM is stopped, the link down or a pair not in use, requests
// wait in the rings.
//
// Owner: the device's lock.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "vmm/virtio/core/device.h"
#include "vmm/virtio/vhost/rings.h"

namespace davit::virtio::net {

struct VhostPair {
  vhost::Rings* rings = nullptr;  // outlives the card, or VhostPairs
  int tap = -1;                   // the tap queue's descriptor
};

class VhostPairs {
 public:
  // tap_headers: the taps' frames have the header that the driver's have.
  VhostPairs(std::vector<VhostPair> pairs, bool tap_headers);
  ~VhostPairs() { Stop(); }
  VhostPairs(const VhostPairs&) = delete;
  VhostPairs& operator=(const VhostPairs&) = delete;

  // Features of rings that a kernel lacks, for DeviceTraits::withheld, and those of the card.
  uint64_t withheld() const;
  uint64_t missing() const;

  // DRIVER_OK. queues: receive and transmit of each pair that can come into use. Error: one of two
  // is missing; out of descriptors.
  Status Attach(DeviceHost& host, uint64_t features, std::span<VirtQueue* const> queues);
  // Pairs 0..n-1 are served, the others not. Error: the kernel's, for a pair of these.
  Status Serve(size_t n);
  void Stop() { (void)Serve(0); }  // stopping has no errors, only warnings
  // VirtioDevice::OnMemory().
  Status FollowMemory();
  // The reset.
  void Detach();
  // The taps and their kernels' descriptors go. The queues are nobody's until the reset.
  void Forget();
  bool empty() const { return pairs_.empty(); }

 private:
  static Status Start(const VhostPair& pair);
  static void StopPair(const VhostPair& pair);

  std::vector<VhostPair> pairs_;
  const uint64_t extra_;  // features that the kernel alone is told
  size_t served_ = 0;
};

}  // namespace davit::virtio::net
