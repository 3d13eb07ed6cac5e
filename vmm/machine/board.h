// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a machine type adds to CPUs and RAM: its devices, their buses, and how the guest is started.
// Made by the machine type's factory row (machine_types.h). Owner: control thread; the buses are
// called on vCPU threads.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/boot/entry.h"
#include "vmm/bus/bus.h"
#include "vmm/control/pci_types.h"
#include "vmm/control/types.h"
#include "vmm/machine/devices/buses.h"
#include "vmm/machine/memory_devices.h"

namespace davit::devices {
class AcpiCpuHotplug;
class FwCfg;
class MemoryHotplug;
}  // namespace davit::devices

namespace davit::machine {

class SerialHost;

class Board {
 public:
  virtual ~Board() = default;
  virtual bus::Bus& ports() = 0;
  virtual bus::Bus& mmio() = 0;

  // All devices to their power-on state, and what the guest boots from into RAM. The vCPUs are
  // parked. The result is how vCPU 0 starts; nullopt: at the architectural reset vector.
  virtual Result<std::optional<boot::BootEntry>> Reset() = 0;
  // The guest's clock stops or goes on: devices with host timers of the virtual clock follow.
  virtual void OnRunning(bool running) { (void)running; }
  // The power button.
  virtual void Powerdown() = 0;
  // Split irqchip: an interrupt with this vector was acknowledged. vCPU thread.
  virtual void EndOfInterrupt(uint8_t vector) { (void)vector; }

  // For devices that have a file in it; null: the board has none.
  virtual devices::FwCfg* fw_cfg() { return nullptr; }
  // The window for memory that is plugged; size 0: it was not asked for. nullopt: the board has
  // none.
  virtual std::optional<MemoryDevices::Window> memory_window() const { return std::nullopt; }
  // Its DIMM slots as ACPI shows them; null: it has none.
  virtual devices::MemoryHotplug* memory_slots() { return nullptr; }
  // Where devices made by name go.
  virtual BoardBuses device_buses() { return {}; }
  // Which of the virtio-mmio slots hold a device, ascending: the guest is told at the next Reset().
  virtual void set_virtio_slots(std::vector<size_t> slots) { (void)slots; }

  // For serial ports made by name; null: the board takes none.
  virtual SerialHost* serial_ports() { return nullptr; }
  // The registers by which the guest takes and gives back CPUs; null: it cannot.
  virtual devices::AcpiCpuHotplug* cpu_hotplug() { return nullptr; }
  // So many CPUs are there now.
  virtual void OnCpuCount(uint32_t present) { (void)present; }

  virtual control::QtreeNode::Bus Qtree() const = 0;
  virtual std::vector<control::PciBus> Pci() { return {}; }
  // The device tree that the guest was given; empty: none.
  virtual const std::vector<std::byte>& device_tree() const = 0;
  // Whether system_wakeup can ever work.
  virtual bool wakeup_suspend_support() const { return false; }
};

}  // namespace davit::machine
