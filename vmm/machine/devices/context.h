// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What devices are made from: everything of the machine that a factory row (row.h) may reach.
// Back ends of a kind (block nodes, netdevs) get a pointer here. All outlive the devices. Owner:
// control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "vmm/control/events.h"
#include "vmm/io/event_loop.h"
#include "vmm/memory/live_memory.h"

namespace davit::backend {
class BlockGraph;
class ChardevRegistry;
}  // namespace davit::backend

namespace davit::devices {
class FwCfg;
class MemoryHotplug;
}  // namespace davit::devices

namespace davit::pci {
class Function;
}

namespace davit::machine {

class Accel;
class CpuHost;
class MemoryDevices;
class Netdevs;
class ObjectTree;
class SerialHost;

struct DeviceContext {
  Accel& accel;
  io::EventLoop& loop;                           // where devices live: Accel::device_loop()
  memory::LiveMemory& memory;                    // the guest's RAM
  ObjectTree& objects;                           // rng=, iothread=, memdev=
  backend::ChardevRegistry* chardevs = nullptr;  // null: the process has none
  // Control thread only: a device on another loop posts to `loop` first.
  std::function<void(const control::Event&)> emit;
  // What the guest tells of itself. Any thread.
  std::function<void()> guest_panicked = {};
  std::function<void()> guest_crash_loaded = {};
  std::function<void()> watchdog_expired = {};
  // The guest was asked for a device and has reported that it will not give it.
  std::function<void(const control::DeviceUnplugGuestErrorEvent&)> unplug_refused = {};
  // Whether a device of this virtio id was made already (Devices fills it in).
  std::function<bool(uint16_t id)> has_virtio = {};
  // The same by driver.
  std::function<bool(const std::string& driver)> has_device = {};
  // --- hot-plug; any thread, does not block (Devices fills them in) ---
  // The guest has let go of the cards behind this PCI Express port.
  std::function<void(const pci::Function* port)> slot_off = {};
  // The guest has agreed to the removal of the device at `path` (PlainDevice::AskUnplug()).
  std::function<void(const std::string& path)> unplugged = {};
  devices::FwCfg* fw_cfg = nullptr;         // null: the board has none
  backend::BlockGraph* blocks = nullptr;    // drive=; null: the process has none
  uint32_t cpus = 1;                        // at start: the queues of a device that is not told
  uint32_t numa_nodes = 1;                  // of the machine: at least the one of all memory
  Netdevs* netdevs = nullptr;               // netdev=; null: the process has none
  MemoryDevices* memory_devices = nullptr;  // null: the board has no room for them
  devices::MemoryHotplug* memory_slots = nullptr;  // null: the board has no ACPI
  // Sees to missing huge pages of a block for as long as the result lives; null: it has none.
  std::function<Result<std::shared_ptr<void>>(memory::RamBlock&)> watch_memory = {};
  CpuHost* cpu_host = nullptr;         // for CPUs
  SerialHost* serial_ports = nullptr;  // for isa-serial; null: the board takes none
};

}  // namespace davit::machine
