// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See microvm_qtree.h.
#include "vmm/machine/microvm_qtree.h"

#include <fmt/format.h>

#include "vmm/boot/microvm_layout.h"
#include "vmm/devices/acpi_ged.h"
#include "vmm/devices/debug_port.h"
#include "vmm/devices/ioapic.h"
#include "vmm/machine/rtc_source.h"

namespace davit::machine {
namespace {

using control::QtreeNode;

QtreeNode Device(std::string type,
                 std::vector<std::pair<std::string, std::string>> properties = {}) {
  QtreeNode node;
  node.type = std::move(type);
  node.properties = std::move(properties);
  return node;
}

std::string Hex(uint64_t value) { return fmt::format("{} (0x{:x})", value, value); }

// elcr_mask: the lines that can be made level-triggered.
QtreeNode Pic(uint64_t port, uint64_t elcr_port, uint64_t elcr_mask, bool master) {
  return Device("kvm-i8259", {{"iobase", Hex(port)},
                              {"elcr_addr", Hex(elcr_port)},
                              {"elcr_mask", Hex(elcr_mask)},
                              {"master", master ? "true" : "false"}});
}

}  // namespace

QtreeNode::Bus BuildQtree(const MicrovmShape& shape) {
  QtreeNode::Bus isa{"isa.0", "ISA", {}};
  if (!shape.debugcon_chardev.empty()) {
    QtreeNode& port = isa.devices.emplace_back(
        Device("isa-debugcon", {{"iobase", Hex(boot::kDebugPort)},
                                {"chardev", fmt::format("\"{}\"", shape.debugcon_chardev)},
                                {"readback", Hex(devices::DebugPort::kReadBack)}}));
    port.id = "debugcon";
  }
  if (shape.serial) {
    isa.devices.push_back(Device(
        "isa-serial",
        {{"index", Hex(0)}, {"iobase", Hex(boot::kSerialPort)}, {"irq", Hex(boot::kSerialGsi)}}));
  }
  if (shape.rtc) {
    isa.devices.push_back(
        Device("mc146818rtc", {{"base_year", Hex(0)},
                               {"iobase", Hex(boot::kRtcPort)},
                               {"irq", Hex(boot::kRtcGsi)},
                               {"lost_tick_policy", RtcLostTicksText(shape.rtc_slew)}}));
  }
  isa.devices.push_back(Device("i8042"));
  if (shape.pit) {
    isa.devices.push_back(
        Device("kvm-pit", {{"iobase", Hex(boot::kPitPort)}, {"lost_tick_policy", "\"delay\""}}));
  }
  if (shape.pic) {
    isa.devices.push_back(Pic(boot::kPicSecondaryPort, boot::kElcrPort + 1, 0xde, false));
    isa.devices.push_back(Pic(boot::kPicPrimaryPort, boot::kElcrPort, 0xf8, true));
  }

  QtreeNode::Bus system{"main-system-bus", "System", {}};
  if (shape.acpi)
    system.devices.push_back(
        Device("acpi-ged-x86", {{"ged-event", Hex(devices::AcpiGed::kEventPowerButton)}}));
  system.devices.push_back(
      shape.split_irqchip ? Device("ioapic", {{"version", Hex(devices::Ioapic::kHardwareVersion)}})
                          : Device("kvm-ioapic", {{"gsi_base", Hex(0)}}));
  QtreeNode bridge = Device("isabus-bridge");
  bridge.buses.push_back(std::move(isa));
  system.devices.push_back(std::move(bridge));
  return system;
}

}  // namespace davit::machine
