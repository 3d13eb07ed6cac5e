// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory that is plugged into a machine (DIMMs, virtio-mem): where it lies in the window that the
// board has for it, and its way into the table of guest RAM and out again. Errors are QEMU's words.
// Owner: control thread. Outlives the devices.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/units.h"
#include "vmm/control/types.h"
#include "vmm/memory/live_memory.h"
#include "vmm/memory/ram_block.h"

namespace davit::machine {

class MemoryDevices {
 public:
  // Guest physical addresses and bytes.
  struct Window {
    uint64_t base = 0;
    uint64_t size = 0;      // 0: nothing can be plugged (no maxmem=)
    uint64_t capacity = 0;  // that devices may have in all, <= size
  };
  struct Request {
    std::string id;  // of the device; may be empty
    std::shared_ptr<memory::RamBlock> block;
    uint64_t size = 0;           // bytes, from the start of the block
    uint64_t align = kPageSize;  // of address and size, a power of two
    uint64_t address = 0;        // 0: the lowest that is free
    bool sparse = false;         // memory::Region::sparse
    // What queries say of it; called while it is plugged.
    std::function<control::MemoryDeviceInfo()> describe;
  };

  MemoryDevices(memory::LiveMemory& memory, Window window) : memory_(memory), window_(window) {}
  MemoryDevices(const MemoryDevices&) = delete;
  MemoryDevices& operator=(const MemoryDevices&) = delete;

  // Where it would go. Error: no window, no room, a bad address or size; nothing is changed.
  Result<uint64_t> Place(const Request& request) const;
  // Puts it there. Error: who follows the table refuses (out of memory slots).
  Status Plug(Request request, uint64_t address);
  // Takes it out. Who uses the old table, a ring or a request on its way, keeps the mapping. False:
  // somebody has to keep it, so it stays mapped, and its place taken.
  bool Unplug(uint64_t address);

  // By address.
  std::vector<control::MemoryDeviceInfo> Describe() const;
  uint64_t plugged_bytes() const;  // that the guest has of them

 private:
  struct Device {
    uint64_t address = 0;
    Request request;
    uint64_t end() const { return address + request.size; }
  };
  Status CheckRoom(uint64_t size) const;
  Status CheckAddress(uint64_t address, uint64_t size) const;

  memory::LiveMemory& memory_;
  const Window window_;
  std::vector<Device> devices_;  // by address
};

}  // namespace davit::machine
