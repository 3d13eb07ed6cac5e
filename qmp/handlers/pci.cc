// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/pci.json.
#include "qmp/handlers/parts.h"

namespace davit::qmp {
namespace {

qapi::PciMemoryRange Range(const control::PciRange& range) {
  return {.base = static_cast<int64_t>(range.base), .limit = static_cast<int64_t>(range.limit)};
}

qapi::PciMemoryRegion Region(const control::PciRegion& region) {
  qapi::PciMemoryRegion info{.bar = region.bar,
                             .type = region.io ? "io" : "memory",
                             .address = region.address ? static_cast<int64_t>(*region.address) : -1,
                             .size = static_cast<int64_t>(region.size)};
  if (!region.io) {
    info.prefetch = region.prefetchable;
    info.mem_type_64 = region.wide;
  }
  return info;
}

std::vector<qapi::PciDeviceInfo> Devices(const std::vector<control::PciDevice>& devices);

qapi::PciBridgeInfo Bridge(const control::PciBridge& bridge) {
  qapi::PciBridgeInfo info{.bus = {.number = bridge.primary,
                                   .secondary = bridge.secondary,
                                   .subordinate = bridge.subordinate,
                                   .io_range = Range(bridge.io),
                                   .memory_range = Range(bridge.memory),
                                   .prefetchable_range = Range(bridge.prefetchable)}};
  if (bridge.secondary != 0) info.devices = Devices(bridge.devices);
  return info;
}

qapi::PciDeviceInfo Device(const control::PciDevice& device) {
  qapi::PciDeviceInfo info{.bus = device.bus,
                           .slot = device.slot,
                           .function = device.function,
                           .class_info = {.class_ = device.class_code},
                           .id = {.device = device.device,
                                  .vendor = device.vendor,
                                  .subsystem = device.subsystem,
                                  .subsystem_vendor = device.subsystem_vendor},
                           .irq_pin = device.pin,
                           .qdev_id = device.id};
  if (!device.class_text.empty()) info.class_info.desc = device.class_text;
  if (device.pin != 0) info.irq = device.irq;
  if (device.bridge) info.pci_bridge = Bridge(*device.bridge);
  info.regions.reserve(device.regions.size());
  for (const control::PciRegion& region : device.regions) info.regions.push_back(Region(region));
  return info;
}

std::vector<qapi::PciDeviceInfo> Devices(const std::vector<control::PciDevice>& devices) {
  std::vector<qapi::PciDeviceInfo> rows;
  rows.reserve(devices.size());
  for (const control::PciDevice& device : devices) rows.push_back(Device(device));
  return rows;
}

}  // namespace

Result<std::vector<qapi::PciInfo>> PciHandlers::QueryPci(Context&) {
  std::vector<qapi::PciInfo> rows;
  for (const control::PciBus& bus : vm_.Pci()) {
    rows.push_back({.bus = bus.number, .devices = Devices(bus.devices)});
  }
  return rows;
}

}  // namespace davit::qmp
