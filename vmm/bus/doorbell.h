// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A doorbell: writes at one guest address that need no answer are turned into a signal of an
// eventfd, by KVM without an exit to this process (ioeventfd). Where the accelerator has none
// (qtest), Bind() is refused and the write arrives at the BusDevice as any other: a device serves
// both ways.
#pragma once

#include <cstdint>
#include <optional>

#include "vmm/base/error.h"

namespace davit::bus {

struct Doorbell {
  bool port = false;              // port I/O space, else MMIO
  uint64_t address = 0;           // guest physical, or port number
  uint32_t size = 0;              // bytes of the write; 0: any
  std::optional<uint64_t> value;  // only writes of this value
  bool operator==(const Doorbell&) const = default;
};

class DoorbellHost {
 public:
  virtual ~DoorbellHost() = default;
  // Any thread. The fd stays the caller's and outlives the binding. Error: not supported, no room,
  // or the same doorbell is bound already.
  virtual Status Bind(const Doorbell& doorbell, int event_fd) = 0;
  virtual void Unbind(const Doorbell& doorbell, int event_fd) = 0;
};

}  // namespace davit::bus
