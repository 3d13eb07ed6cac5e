// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See info_pci.h.
#include "qmp/handlers/hmp/info_pci.h"

#include <fmt/format.h>

#include <iterator>

namespace davit::qmp::hmp {
namespace {

template <typename... T>
void Print(std::string& out, fmt::format_string<T...> format, T&&... values) {
  fmt::format_to(std::back_inserter(out), format, std::forward<T>(values)...);
}

// A window or region; nowhere is all ones, and sums wrap, as in QEMU's text.
void PrintRange(std::string& out, const char* what, const control::PciRange& range, int digits) {
  Print(out, "      {} [0x{:0{}x}, 0x{:0{}x}]\n", what, range.base, digits, range.limit, digits);
}

void PrintRegion(std::string& out, const control::PciRegion& region) {
  const uint64_t base = region.address.value_or(~uint64_t{0});
  const uint64_t last = base + region.size - 1;
  Print(out, "      BAR{}: ", region.bar);
  if (region.io) {
    Print(out, "I/O at 0x{:04x} [0x{:04x}].\n", base, last);
  } else {
    Print(out, "{} bit{} memory at 0x{:08x} [0x{:08x}].\n", region.wide ? 64 : 32,
          region.prefetchable ? " prefetchable" : "", base, last);
  }
}

void PrintDevice(std::string& out, const control::PciDevice& device) {
  Print(out, "  Bus {:2}, device {:3}, function {}:\n    ", device.bus, device.slot,
        device.function);
  if (device.class_text.empty()) {
    Print(out, "Class {:04}", device.class_code);
  } else {
    out += device.class_text;
  }
  Print(out, ": PCI device {:04x}:{:04x}\n", device.vendor, device.device);
  if (device.subsystem) {
    Print(out, "      PCI subsystem {:04x}:{:04x}\n", device.subsystem_vendor.value_or(0),
          *device.subsystem);
  }
  if (device.pin != 0) {
    Print(out, "      IRQ {}, pin {}\n", device.irq, static_cast<char>('A' + device.pin - 1));
  }
  if (device.bridge) {
    Print(out, "      BUS {}.\n      secondary bus {}.\n      subordinate bus {}.\n",
          device.bridge->primary, device.bridge->secondary, device.bridge->subordinate);
    PrintRange(out, "IO range", device.bridge->io, 4);
    PrintRange(out, "memory range", device.bridge->memory, 8);
    PrintRange(out, "prefetchable memory range", device.bridge->prefetchable, 8);
  }
  for (const control::PciRegion& region : device.regions) PrintRegion(out, region);
  Print(out, "      id \"{}\"\n", device.id);
  if (!device.bridge) return;
  for (const control::PciDevice& behind : device.bridge->devices) PrintDevice(out, behind);
}

}  // namespace

std::string FormatPci(const std::vector<control::PciBus>& buses) {
  std::string out;
  for (const control::PciBus& bus : buses) {
    for (const control::PciDevice& device : bus.devices) PrintDevice(out, device);
  }
  return out;
}

}  // namespace davit::qmp::hmp
