// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Message-signalled interrupts as a device sees them (PCI 3.0, 6.8): a route is the way of one MSI
// or MSI-X vector to the interrupt controllers. Implementations: KVM's GSI routing with an irqfd,
// a memory write for qtest, and RecordingMsi (recording_msi.h) for tests.
#pragma once

#include <cstdint>
#include <memory>

#include "vmm/base/error.h"

namespace davit::irq {

struct MsiMessage {
  uint64_t address = 0;
  uint32_t data = 0;
  friend bool operator==(const MsiMessage&, const MsiMessage&) = default;
};

class MsiRoute {
 public:
  virtual ~MsiRoute() = default;
  // Where the next Trigger() goes. Any thread; must not block.
  virtual Status Set(MsiMessage message) = 0;
  // Any thread, never blocks. Before the first Set(): no effect.
  virtual void Trigger() = 0;
  // An eventfd whose signal is a Trigger() without this process in between (KVM irqfd; for vhost).
  // Error: this controller has none.
  virtual Result<int> event_fd() = 0;
};

class MsiController {
 public:
  virtual ~MsiController() = default;
  // Any thread. Error: the host has no more routes or descriptors.
  virtual Result<std::unique_ptr<MsiRoute>> NewRoute() = 0;
};

}  // namespace davit::irq
