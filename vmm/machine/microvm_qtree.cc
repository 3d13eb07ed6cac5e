// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See microvm_qtree.h.
#include "vmm/machine/microvm_qtree.h"

#include <fmt/format.h>

#include "vmm/boot/microvm_layout.h"
#include "vmm/devices/debug_port.h"

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
    isa.devices.push_back(
        Device("isa-serial", {{"index", "0 (0x0)"},
                              {"iobase", Hex(boot::kSerialPort)},
                              {"irq", Hex(boot::kSerialGsi)},
                              {"chardev", fmt::format("\"{}\"", shape.serial_chardev)}}));
  }
  if (shape.rtc) {
    isa.devices.push_back(Device("mc146818rtc", {{"irq", Hex(boot::kRtcGsi)}}));
  }
  isa.devices.push_back(Device("i8042"));
  if (shape.pit) isa.devices.push_back(Device("kvm-pit", {{"iobase", Hex(boot::kPitPort)}}));
  if (shape.pic) {
    isa.devices.push_back(Device("kvm-i8259", {{"iobase", Hex(boot::kPicSecondaryPort)}}));
    isa.devices.push_back(Device("kvm-i8259", {{"iobase", Hex(boot::kPicPrimaryPort)}}));
  }

  QtreeNode::Bus system{"main-system-bus", "System", {}};
  if (shape.acpi) system.devices.push_back(Device("acpi-ged"));
  system.devices.push_back(Device(shape.split_irqchip ? "ioapic" : "kvm-ioapic"));
  QtreeNode bridge = Device("isabus-bridge");
  bridge.buses.push_back(std::move(isa));
  system.devices.push_back(std::move(bridge));
  return system;
}

}  // namespace davit::machine
