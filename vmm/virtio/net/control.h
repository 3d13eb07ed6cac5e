// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The control queue of a network device (virtio 1.2, 5.1.6.5): one request parsed and carried out
// on the receive filter, or handed to the device. Pure but for ControlTarget; the device's lock.
#pragma once

#include <cstdint>

#include "vmm/virtio/core/chain.h"
#include "vmm/virtio/net/rx_filter.h"
#include "vmm/virtio/net/wire.h"

namespace davit::virtio::net {

// What a request may change outside the filter. False: refused.
class ControlTarget {
 public:
  virtual ~ControlTarget() = default;
  virtual void FilterChanged() = 0;
  virtual void SetMac(const MacAddress& mac) = 0;
  virtual bool SetQueuePairs(uint16_t pairs) = 0;
  virtual bool SetGuestOffloads(uint64_t offloads) = 0;
  virtual bool AcknowledgeAnnounce() = 0;
};

// features: negotiated. The answer: kControlOk or kControlError. A refused request has changed
// nothing.
uint8_t ServeControl(Reader reader, uint64_t features, RxFilter& filter, ControlTarget& target);

}  // namespace davit::virtio::net
