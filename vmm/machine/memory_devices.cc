// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See memory_devices.h.
#include "vmm/machine/memory_devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/log.h"

namespace davit::machine {

Status MemoryDevices::CheckRoom(uint64_t size) const {
  uint64_t used = 0;
  for (const Device& device : devices_) used += device.request.size;
  if (size <= window_.capacity - used) return {};
  return Fail(
      fmt::format("not enough space, currently 0x{:x} in use of total space for memory devices "
                  "0x{:x}",
                  used, window_.capacity));
}

Status MemoryDevices::CheckAddress(uint64_t address, uint64_t size) const {
  const uint64_t offset = address - window_.base;  // wraps below the window
  if (offset >= window_.size || size > window_.size - offset) {
    return Fail(
        fmt::format("can't add memory device [0x{:x}:0x{:x}], usable range for memory devices "
                    "[0x{:x}:0x{:x}]",
                    address, size, window_.base, window_.size));
  }
  for (const Device& device : devices_) {
    if (address >= device.end() || device.address >= address + size) continue;
    const std::string& id = device.request.id;
    return Fail(fmt::format("address range conflicts with memory device id='{}'",
                            id.empty() ? "(unnamed)" : id));
  }
  return {};
}

Result<uint64_t> MemoryDevices::Place(const Request& request) const {
  if (window_.size == 0) {
    return Fail(
        "memory devices (e.g. for memory hotplug) are not enabled, please specify the maxmem "
        "option");
  }
  DAVIT_TRY(CheckRoom(request.size));
  if (request.address % request.align != 0) {
    return Fail(fmt::format("address must be aligned to 0x{:x} bytes", request.align));
  }
  if (request.size == 0 || request.size % request.align != 0) {
    return Fail(fmt::format("backend memory size must be multiple of 0x{:x}", request.align));
  }
  if (request.address != 0) {
    DAVIT_TRY(CheckAddress(request.address, request.size));
    return request.address;
  }
  uint64_t free = AlignUp(window_.base, request.align);
  for (const Device& device : devices_) {
    if (device.address >= free && device.address - free >= request.size) break;
    free = std::max(free, AlignUp(device.end(), request.align));
  }
  if (CheckAddress(free, request.size)) return free;
  return Fail(
      "could not find position in guest address space for memory device - memory fragmented due "
      "to alignments");
}

Status MemoryDevices::Plug(Request request, uint64_t address) {
  DAVIT_CHECK(CheckAddress(address, request.size));
  std::vector<memory::Region> regions = memory_.Get().regions();
  const memory::Region region{.base = {address},
                              .size = request.size,
                              .block = request.block,
                              .block_offset = 0,
                              .sparse = request.sparse};
  const auto by_base = [](const memory::Region& r, uint64_t at) { return r.base.value < at; };
  regions.insert(std::lower_bound(regions.begin(), regions.end(), address, by_base), region);
  DAVIT_ASSIGN(memory::GuestMemory table, memory::GuestMemory::Create(std::move(regions)));
  DAVIT_TRY(memory_.Set(std::move(table)));
  const auto by_address = [](const Device& d, uint64_t at) { return d.address < at; };
  devices_.insert(std::lower_bound(devices_.begin(), devices_.end(), address, by_address),
                  {address, std::move(request)});
  return {};
}

bool MemoryDevices::Unplug(uint64_t address) {
  const auto is_it = [address](const Device& device) { return device.address == address; };
  const auto device = std::find_if(devices_.begin(), devices_.end(), is_it);
  DAVIT_CHECK(device != devices_.end());
  std::vector<memory::Region> regions = memory_.Get().regions();
  std::erase_if(regions, [address](const auto& region) { return region.base.value == address; });
  auto table = memory::GuestMemory::Create(std::move(regions));
  DAVIT_CHECK(table);
  if (Status gone = memory_.Set(std::move(*table)); !gone) {
    DAVIT_LOG_ERROR("memory at 0x{:x} cannot be unplugged: {}", address, gone.error().message);
    device->request.describe = {};
    return false;
  }
  devices_.erase(device);
  return true;
}

std::vector<control::MemoryDeviceInfo> MemoryDevices::Describe() const {
  std::vector<control::MemoryDeviceInfo> infos;
  for (const Device& device : devices_) {
    if (device.request.describe) infos.push_back(device.request.describe());
  }
  return infos;
}

uint64_t MemoryDevices::plugged_bytes() const {
  uint64_t bytes = 0;
  for (const control::MemoryDeviceInfo& info : Describe()) bytes += info.size;
  return bytes;
}

}  // namespace davit::machine
