// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Devices in the tree that "info qtree" shows (control::QtreeNode), as QEMU prints them: on each
// bus the newest first, a virtio device on PCI as a function with the device on a bus of its own.
// Properties are those that a device was given or that have a default.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "vmm/machine/devices/devices.h"
#include "vmm/machine/pci_info.h"
#include "vmm/pci/bridge.h"

namespace davit::machine {
namespace {

// Those of a virtio device on PCI that are its function's.
constexpr std::string_view kOfFunction[] = {
    "addr",          "disable-legacy", "disable-modern", "ioeventfd", "modern-pio-notify",
    "multifunction", "romfile",        "vectors"};
// Those that are numbers of bytes.
constexpr std::string_view kSizes[] = {"logical_block_size", "physical_block_size", "min_io_size",
                                       "opt_io_size", "discard_granularity"};

template <size_t N>
bool Has(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// "512 B", "1.5 KiB".
std::string SizeText(uint64_t bytes) {
  constexpr std::array<std::string_view, 7> kUnits = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  return fmt::format("{:.3g} {}B", value, kUnits[unit]);
}

std::string Number(std::string_view name, uint64_t value) {
  return Has(kSizes, name) ? fmt::format("{} ({})", value, SizeText(value))
                           : fmt::format("{} (0x{:x})", value, value);
}

std::string Printed(std::string_view name, const control::PropertyValue& value) {
  if (const bool* flag = std::get_if<bool>(&value.value)) return *flag ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value.value)) return "\"" + *text + "\"";
  if (const auto* number = std::get_if<int64_t>(&value.value)) {
    return fmt::format("{} (0x{:x})", *number, static_cast<uint64_t>(*number));
  }
  const auto* number = std::get_if<uint64_t>(&value.value);
  return number != nullptr ? Number(name, *number) : "";
}

}  // namespace

control::QtreeNode Devices::Node(const Entry& entry) const {
  control::QtreeNode node, backend;
  node.type = entry.spec.driver;
  node.id = entry.spec.id;
  const bool two_parts = entry.frontend != nullptr && entry.pci.function != nullptr;
  for (const auto& [name, given] : entry.spec.properties) {
    control::QtreeNode& owner = two_parts && !Has(kOfFunction, name) ? backend : node;
    if (name == "addr" && entry.pci.function != nullptr) {
      const uint8_t devfn = entry.pci.function->devfn();
      owner.properties.emplace_back(
          name, fmt::format("{:02x}.{:x}", pci::SlotOf(devfn), pci::FunctionOf(devfn)));
      continue;
    }
    const auto value = ValueOf(entry, name);
    owner.properties.emplace_back(name, Printed(name, value && *value ? **value : given));
  }
  if (entry.pci.function != nullptr) node.lines = PciLines(*buses_.pci, *entry.pci.function);
  if (!two_parts) {
    AddParts(entry, node);
    return node;
  }
  backend.type = BackendType(entry);
  AddParts(entry, backend);
  node.buses.push_back({std::string(kBackendBus), "virtio-pci-bus", {std::move(backend)}});
  return node;
}

// The bus that the device has for others, with what is on it.
void Devices::AddParts(const Entry& entry, control::QtreeNode& node) const {
  if (auto* bridge = dynamic_cast<pci::Bridge*>(entry.pci.function.get()); bridge != nullptr) {
    control::QtreeNode::Bus bus{bridge->secondary().name(), "PCIE", {}};
    DescribeBus(bus);
    node.buses.push_back(std::move(bus));
  }
  if (entry.row->child_bus.empty()) return;
  control::QtreeNode::Bus bus{entry.child_bus(), std::string(entry.row->child_bus), {}};
  for (auto other = entries_.rbegin(); other != entries_.rend(); ++other) {
    if ((*other)->parent == &entry) bus.devices.push_back(Node(**other));
  }
  node.buses.push_back(std::move(bus));
}

// QEMU lists the newest first: the slots from the last to the first, before all that the board had
// made earlier; the event device came later than they.
void Devices::Describe(control::QtreeNode::Bus& system) const {
  std::vector<control::QtreeNode> nodes;
  for (size_t i = slots_.size(); i-- > 0;) {
    control::QtreeNode& node = nodes.emplace_back();
    node.type = "virtio-mmio";
    control::QtreeNode::Bus bus{SlotName(i), std::string(kSlotBus), {}};
    for (const auto& entry : entries_) {
      if (entry->on_slot() && entry->slot == i) bus.devices.push_back(Node(*entry));
    }
    node.buses.push_back(std::move(bus));
  }
  const bool event_device =
      !system.devices.empty() && system.devices.front().type.starts_with("acpi-ged");
  system.devices.insert(system.devices.begin() + (event_device ? 1 : 0),
                        std::make_move_iterator(nodes.begin()),
                        std::make_move_iterator(nodes.end()));
  DescribeBus(system);
}

// Puts the devices of each bus of the board, the newest first, into it.
void Devices::DescribeBus(control::QtreeNode::Bus& bus) const {
  for (control::QtreeNode& node : bus.devices) {
    for (control::QtreeNode::Bus& inner : node.buses) DescribeBus(inner);
  }
  for (const auto& entry : entries_) {
    if (entry->on_board_bus() && entry->row->parent_bus == bus.type) {
      bus.devices.insert(bus.devices.begin(), Node(*entry));
    }
    const pci::Function* function = entry->pci.function.get();
    if (function == nullptr || function->bus() == nullptr) continue;
    if (function->bus()->name() == bus.name) {
      bus.devices.insert(bus.devices.begin(), Node(*entry));
    }
  }
}

}  // namespace davit::machine
