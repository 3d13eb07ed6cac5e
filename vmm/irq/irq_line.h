// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One interrupt input as a device sees it. Callable on any thread. Level semantics: Set(true)
// asserts until Set(false); an edge is Pulse(). Implementations: vmm/irq over KVM_IRQ_LINE, a
// userspace IOAPIC pin, and RecordingIrqLine for tests.
#pragma once

namespace davit::irq {

class IrqLine {
 public:
  virtual ~IrqLine() = default;
  virtual void Set(bool level) = 0;
  void Pulse() {
    Set(true);
    Set(false);
  }
};

}  // namespace davit::irq
