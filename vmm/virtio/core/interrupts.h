// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How the core raises a device's interrupts, whatever carries them: an MMIO line with its status
// register, PCI INTx with the ISR byte, MSI-X vectors. Implemented by each transport. Any thread,
// never blocks.
#pragma once

#include <cstdint>

#include "vmm/base/error.h"

namespace davit::virtio {

class DeviceInterrupts {
 public:
  virtual ~DeviceInterrupts() = default;
  virtual void RaiseQueue(uint16_t queue) = 0;  // used buffers
  virtual void RaiseConfig() = 0;               // configuration change, NEEDS_RESET
};

}  // namespace davit::virtio
