// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What runs the guest, as boards and devices see it: where interrupts go, who takes doorbells, and
// which clock the timers of devices follow. Two kinds: KVM (in-kernel or split irqchip), and qtest,
// where no vCPU runs and a test client plays the guest. Outlives every board and device. Owner:
// control thread; Line().Set() and the routes on any thread.
#pragma once

#include <cstdint>

#include "vmm/bus/doorbell.h"
#include "vmm/io/event_loop.h"
#include "vmm/irq/irq_line.h"
#include "vmm/irq/msi.h"

namespace davit::devices {
class Ioapic;
}
namespace davit::kvm {
class Vm;
struct WriteZone;
}  // namespace davit::kvm

namespace davit::machine {

class Accel {
 public:
  virtual ~Accel() = default;

  // Pin `gsi` of the platform's interrupt controllers (ISA numbers below 16, then IOAPIC pins), in
  // the kernel or not; gsi < 24. The same object each time, owned by the accelerator. Control
  // thread.
  virtual irq::IrqLine& Line(uint32_t gsi) = 0;
  // The IOAPIC where it is in this process (split irqchip): the board claims its window, resets it
  // and tells it of ends of interrupts. nullptr: it is KVM's.
  virtual devices::Ioapic* ioapic() = 0;
  virtual irq::MsiController& msi() = 0;
  virtual bus::DoorbellHost& doorbells() = 0;
  // The control thread's loop as devices see it: its Now() and At() are the guest's virtual clock
  // (qtest: stands still unless a client steps it).
  virtual io::EventLoop& device_loop() = 0;
  // KVM's VM; nullptr under qtest.
  virtual kvm::Vm* kvm() = 0;
  // Writes to this zone need no answer: they may reach their device late, but before any access
  // that traps (exits.h). A help and no promise; for the life of the VM.
  virtual void CollectWrites(const kvm::WriteZone& zone) { (void)zone; }
  // The guest stops or goes on.
  virtual void OnRunning(bool running) { (void)running; }
};

}  // namespace davit::machine
