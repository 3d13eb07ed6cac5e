// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the qtest protocol acts on: the machine's buses, memory, clock and interrupt inputs, as far
// as they are there yet (--preconfig) and as the accelerator lets them be driven. Control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "vmm/bus/bus.h"
#include "vmm/io/virtual_clock.h"
#include "vmm/irq/irq_line.h"
#include "vmm/memory/guest_memory.h"

namespace davit::qtest {

class Target {
 public:
  virtual ~Target() = default;
  // nullptr: no machine yet; reads give what an empty bus gives.
  virtual const bus::Bus* ports() = 0;
  virtual const bus::Bus* mmio() = 0;
  virtual memory::GuestMemory memory() = 0;
  // nullptr: guest time is not qtest's to step (another accelerator).
  virtual io::VirtualClockLoop* clock() = 0;

  // A device by its object path or the end of one ("ioapic").
  virtual bool HasDevice(const std::string& path) = 0;
  // Input `number` of the group `name`; nullptr: there is none.
  virtual irq::IrqLine* Input(const std::string& path, const std::string& name,
                              uint32_t number) = 0;
  // From now on `told` hears each change of the device's unnamed inputs, on any thread.
  using LevelFn = std::function<void(uint32_t number, bool level)>;
  virtual void InterceptInputs(const std::string& path, LevelFn told) = 0;
};

}  // namespace davit::qtest
