// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See q35_qtree.h.
#include "vmm/machine/q35_qtree.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "vmm/devices/debug_port.h"
#include "vmm/devices/ioapic.h"
#include "vmm/machine/rtc_source.h"

namespace davit::machine {
namespace {

using control::QtreeNode;
using Properties = std::vector<std::pair<std::string, std::string>>;

QtreeNode Device(std::string type, Properties properties = {}) {
  QtreeNode node;
  node.type = std::move(type);
  node.properties = std::move(properties);
  return node;
}

std::string Hex(uint64_t value) { return fmt::format("{} (0x{:x})", value, value); }

std::string Size(uint64_t bytes) {
  for (const auto& [unit, name] : {std::pair(kGiB, "GiB"), {kMiB, "MiB"}, {kKiB, "KiB"}}) {
    if (bytes >= unit && bytes % unit == 0) {
      return fmt::format("{} ({} {})", bytes, bytes / unit, name);
    }
  }
  return fmt::format("{} ({} B)", bytes, bytes);
}

// elcr_mask: the lines that can be made level-triggered.
QtreeNode Pic(uint64_t port, uint64_t elcr_port, uint64_t elcr_mask, bool master) {
  return Device("kvm-i8259", {{"iobase", Hex(port)},
                              {"elcr_addr", Hex(elcr_port)},
                              {"elcr_mask", Hex(elcr_mask)},
                              {"master", master ? "true" : "false"}});
}

// The newest first, as QEMU lists them.
QtreeNode::Bus Isa(const Q35Shape& shape) {
  QtreeNode::Bus isa{"isa.0", "ISA", {}};
  if (!shape.debugcon_chardev.empty()) {
    QtreeNode& port = isa.devices.emplace_back(
        Device("isa-debugcon", {{"iobase", Hex(boot::kDebugPort)},
                                {"chardev", fmt::format("\"{}\"", shape.debugcon_chardev)},
                                {"readback", Hex(devices::DebugPort::kReadBack)}}));
    port.id = "debugcon";
  }
  isa.devices.push_back(Device("port92"));
  if (shape.i8042) isa.devices.push_back(Device("i8042"));
  for (size_t i = shape.serials.size(); i-- > 0;) {
    if (!shape.serials[i]) continue;
    const boot::SerialPlace& place = boot::kQ35Serials[i];
    isa.devices.push_back(Device(
        "isa-serial", {{"index", Hex(i)}, {"iobase", Hex(place.port)}, {"irq", Hex(place.irq)}}));
  }
  if (shape.pit) {
    isa.devices.push_back(
        Device("kvm-pit", {{"iobase", Hex(boot::kPitPort)}, {"lost_tick_policy", "\"delay\""}}));
  }
  isa.devices.push_back(
      Device("mc146818rtc", {{"base_year", Hex(0)},
                             {"iobase", Hex(boot::kRtcPort)},
                             {"irq", Hex(boot::kRtcGsi)},
                             {"lost_tick_policy", RtcLostTicksText(shape.rtc_slew)}}));
  if (shape.pic) {
    isa.devices.push_back(Pic(boot::kPicSecondaryPort, boot::kElcrPort + 1, 0xde, false));
    isa.devices.push_back(Pic(boot::kPicPrimaryPort, boot::kElcrPort, 0xf8, true));
  }
  return isa;
}

// ids: class, address and ids of a function without BARs.
QtreeNode PciDevice(const char* type, const char* address, bool multifunction, const char* ids) {
  QtreeNode node =
      Device(type, {{"addr", address}, {"multifunction", multifunction ? "true" : "false"}});
  node.lines = {ids};
  return node;
}

}  // namespace

QtreeNode::Bus BuildQtree(const Q35Shape& shape) {
  QtreeNode::Bus pcie{"pcie.0", "PCIE", {}};
  QtreeNode lpc = PciDevice("ICH9-LPC", "1f.0", true,
                            "class ISA bridge, addr 00:1f.0, pci id 8086:2918 (sub 1af4:1100)");
  lpc.buses.push_back(Isa(shape));
  pcie.devices.push_back(std::move(lpc));
  pcie.devices.push_back(PciDevice(
      "mch", "00.0", false, "class Host bridge, addr 00:00.0, pci id 8086:29c0 (sub 1af4:1100)"));

  QtreeNode host = Device("q35-pcihost", {{"pci-hole64-size", Size(boot::kQ35Hole64Size)},
                                          {"below-4g-mem-size", Size(shape.ram.below_4g)},
                                          {"above-4g-mem-size", Size(shape.ram.above_4g)}});
  host.buses.push_back(std::move(pcie));
  QtreeNode::Bus system{"main-system-bus", "System", {}};
  system.devices.push_back(
      shape.split_irqchip ? Device("ioapic", {{"version", Hex(devices::Ioapic::kHardwareVersion)}})
                          : Device("kvm-ioapic", {{"gsi_base", Hex(0)}}));
  system.devices.push_back(std::move(host));
  system.devices.push_back(
      Device("fw_cfg_io", {{"dma_enabled", "true"}, {"x-file-slots", Hex(32)}}));
  return system;
}

}  // namespace davit::machine
