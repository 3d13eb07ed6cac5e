// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See pci_info.h.
#include "vmm/machine/pci_info.h"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "vmm/pci/bridge.h"

namespace davit::machine {
namespace {

// The classes of davit's devices that QEMU has a text for.
std::string_view ClassText(uint16_t code) {
  constexpr std::pair<uint16_t, std::string_view> kTexts[] = {
      {0x0100, "SCSI controller"}, {0x0106, "SATA controller"}, {0x0200, "Ethernet controller"},
      {0x0600, "Host bridge"},     {0x0601, "ISA bridge"},      {0x0604, "PCI bridge"},
      {0x0c05, "SMBus"},
  };
  for (const auto& [known, text] : kTexts) {
    if (known == code) return text;
  }
  return "";
}

control::PciRange Range(const pci::Bridge::Window& window) { return {window.base, window.limit}; }

std::vector<control::PciDevice> DescribeBus(const pci::Bus& bus, uint8_t number);

control::PciBridge DescribeBridge(pci::Bridge& bridge) {
  control::PciBridge info;
  info.primary = bridge.config().Get8(pci::kPrimaryBus);
  info.secondary = bridge.secondary_number();
  info.subordinate = bridge.subordinate_number();
  info.io = Range(bridge.io_window());
  info.memory = Range(bridge.memory_window());
  info.prefetchable = Range(bridge.prefetch_window());
  if (info.secondary != 0) info.devices = DescribeBus(bridge.secondary(), info.secondary);
  return info;
}

control::PciDevice DescribeFunction(pci::Function& function, uint8_t bus) {
  const pci::ConfigSpace& space = function.config();
  control::PciDevice info;
  info.bus = bus;
  info.slot = static_cast<uint8_t>(pci::SlotOf(function.devfn()));
  info.function = static_cast<uint8_t>(pci::FunctionOf(function.devfn()));
  info.class_code = space.Get16(pci::kClass);
  info.class_text = ClassText(info.class_code);
  info.vendor = space.Get16(pci::kVendorId);
  info.device = space.Get16(pci::kDeviceId);
  info.pin = space.Get8(pci::kInterruptPin);
  info.irq = space.Get8(pci::kInterruptLine);
  info.id = function.id();
  for (const pci::Function::BarInfo& bar : function.bars()) {
    info.regions.push_back({.bar = bar.index,
                            .io = bar.spec.kind == pci::BarKind::kIo,
                            .prefetchable = bar.spec.prefetchable,
                            .wide = bar.spec.kind == pci::BarKind::kMemory64,
                            .size = bar.spec.size,
                            .address = bar.mapped});
  }
  if (pci::Bridge* bridge = function.as_bridge()) {
    info.bridge = DescribeBridge(*bridge);
  } else {
    info.subsystem_vendor = space.Get16(pci::kSubsystemVendorId);
    info.subsystem = space.Get16(pci::kSubsystemId);
  }
  return info;
}

std::vector<control::PciDevice> DescribeBus(const pci::Bus& bus, uint8_t number) {
  std::vector<control::PciDevice> devices;
  for (pci::Function* function : bus.functions()) {
    devices.push_back(DescribeFunction(*function, number));
  }
  return devices;
}

}  // namespace

std::vector<control::PciBus> DescribePci(pci::HostBridge& host) {
  const auto lock = host.Lock();
  return {{.number = 0, .devices = DescribeBus(host.root(), 0)}};
}

std::vector<std::string> PciLines(pci::HostBridge& host, pci::Function& function) {
  const auto lock = host.Lock();
  const pci::Bridge* const bridge = function.bus()->bridge();
  const control::PciDevice info =
      DescribeFunction(function, bridge != nullptr ? bridge->secondary_number() : 0);
  const std::string class_text =
      info.class_text.empty() ? fmt::format("Class {:04x}", info.class_code) : info.class_text;
  std::vector<std::string> lines = {
      fmt::format("class {}, addr {:02x}:{:02x}.{:x}, pci id {:04x}:{:04x} (sub {:04x}:{:04x})",
                  class_text, info.bus, info.slot, info.function, info.vendor, info.device,
                  info.subsystem_vendor.value_or(0), info.subsystem.value_or(0))};
  for (const control::PciRegion& region : info.regions) {
    // One that is not mapped is at ~0, and its end wraps around.
    const uint64_t from = region.address.value_or(UINT64_MAX);
    lines.push_back(fmt::format("bar {}: {} at 0x{:x} [0x{:x}]", region.bar,
                                region.io ? "i/o" : "mem", from, from + region.size - 1));
  }
  return lines;
}

}  // namespace davit::machine
