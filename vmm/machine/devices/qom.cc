// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Devices in the tree of objects (qom_node.h): where each stands, the parts that QEMU makes of a
// virtio device on PCI, what can be read and written at run time.
#include <fmt/format.h>

#include <algorithm>

#include "vmm/machine/devices/devices.h"
#include "vmm/pci/bridge.h"
#include "vmm/virtio/transport/pci/virtio_pci.h"

namespace davit::machine {
namespace {

// A virtio device on PCI is two objects: the function, and the device on a bus of its own.
constexpr std::string_view kBackend = "virtio-backend";

std::string NameIn(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

}  // namespace

void Devices::AddTo(QomNode& machine) const {
  QomNode& unattached = machine.At("unattached", "container");
  for (size_t i = 0; i < slots_.size(); ++i) {
    const QomDeviceState state{.parent_bus = "/machine/unattached/sysbus"};
    unattached
        .Add(DeviceNode(fmt::format("device[{}]", buses_.first_object + i), "virtio-mmio", state))
        .Add(BusNode(fmt::format("virtio-mmio-bus.{}", i), "virtio-mmio-bus"));
  }
  if (buses_.pci != nullptr) {
    const QomDeviceState state{.parent_bus = "/machine/unattached/sysbus"};
    machine.Add(DeviceNode(buses_.pci_object, buses_.pci_object + "-pcihost", state))
        .Add(BusNode(buses_.pci->root().name(), "PCIE"));
  }
  machine.At("peripheral", "container");
  machine.At("peripheral-anon", "container");
  for (const auto& entry : entries_) {
    machine.At(entry->spec.id.empty() ? "peripheral-anon" : "peripheral", "container")
        .Add(NodeOf(*entry));
  }
}

const Devices::Entry* Devices::FindBridge(const pci::Bus& secondary) const {
  const auto it = std::find_if(entries_.begin(), entries_.end(), [&](const auto& entry) {
    auto* const bridge = dynamic_cast<pci::Bridge*>(entry->pci.function.get());
    return bridge != nullptr && &bridge->secondary() == &secondary;
  });
  return it == entries_.end() ? nullptr : it->get();
}

std::string Devices::ParentBusPath(const Entry& entry) const {
  if (const pci::Function* function = entry.pci.function.get(); function != nullptr) {
    const pci::Bus* const bus = function->bus();
    if (bus == nullptr) return "";
    const Entry* const bridge = FindBridge(*bus);
    const std::string owner = bridge != nullptr ? bridge->path : "/machine/" + buses_.pci_object;
    return fmt::format("{}/{}", owner, bus->name());
  }
  if (entry.on_slot()) {
    return fmt::format("/machine/unattached/device[{}]/virtio-mmio-bus.{}",
                       buses_.first_object + entry.slot, entry.slot);
  }
  if (entry.parent == nullptr) return "";
  const bool two_parts = entry.parent->pci.function != nullptr;
  return fmt::format("{}{}{}/{}", entry.parent->path, two_parts ? "/" : "",
                     two_parts ? kBackend : "", entry.parent->child_bus());
}

QomDeviceState Devices::StateOf(const Entry& entry) const {
  QomDeviceState state{.parent_bus = ParentBusPath(entry), .hotplugged = entry.hot};
  state.hotpluggable =
      entry.parent != nullptr ||
      (entry.row->make_busless != nullptr && entry.row->hotpluggable && !entry.on_board_bus());
  if (entry.pci.function != nullptr && entry.pci.function->bus() != nullptr) {
    const Entry* const bridge = FindBridge(*entry.pci.function->bus());
    state.hotpluggable =
        bridge != nullptr && DeviceProperties(bridge->spec, bridge->path).Bool("hotplug");
  }
  return state;
}

std::string Devices::BackendType(const Entry& entry) {
  const std::string_view type = entry.row->virtio_type;
  return type.empty() ? fmt::format("{}-device", entry.row->name) : std::string(type);
}

void Devices::AddVirtioParts(const Entry& entry, QomNode& node) const {
  QomNode* device = &node;
  if (entry.pci.function != nullptr) {
    node.Add(BusNode(std::string(kBackendBus), "virtio-pci-bus"));
    const QomDeviceState state{.parent_bus = fmt::format("{}/{}", entry.path, kBackendBus)};
    QomNode backend = DeviceNode(std::string(kBackend), BackendType(entry), state);
    backend.live = node.live;
    backend.get = node.get;
    backend.set = node.set;
    device = &node.Add(std::move(backend));
  }
  if (!entry.row->child_bus.empty()) {
    device->Add(BusNode(entry.child_bus(), std::string(entry.row->child_bus)));
  }
}

// What the device has made of it, else what it was given.
std::optional<Result<control::PropertyValue>> Devices::ValueOf(const Entry& entry,
                                                               std::string_view name) {
  if (entry.row->get_property != nullptr) {
    if (auto value = entry.row->get_property(*entry.virtio(), name)) return value;
  }
  if (entry.plain != nullptr) {
    if (auto value = entry.plain->Property(name)) return Result<control::PropertyValue>(*value);
  }
  if (const auto* const function = dynamic_cast<virtio::VirtioPci*>(entry.pci.function.get());
      function != nullptr && name == "vectors") {
    return control::PropertyValue{uint64_t{function->vectors()}};
  }
  // Where it is, also when it was given no place.
  if (name == "addr" && entry.pci.function != nullptr) {
    return control::PropertyValue{int64_t{entry.pci.function->devfn()}};
  }
  for (const auto& [key, value] : entry.spec.properties) {
    if (key == name) return value;
  }
  return std::nullopt;
}

QomNode Devices::NodeOf(const Entry& entry) const {
  QomNode node = DeviceNode(NameIn(entry.path), entry.spec.driver, StateOf(entry));
  node.id = entry.spec.id;
  for (const RunTimeProperty& property : entry.row->run_time) {
    const auto constant =
        entry.plain != nullptr ? entry.plain->Property(property.name) : std::nullopt;
    if (constant) {
      node.fixed.push_back({std::string(property.name), std::string(property.type), *constant});
    } else {
      node.live.push_back({std::string(property.name), std::string(property.type)});
    }
  }
  node.get = [&entry](std::string_view name) { return ValueOf(entry, name); };
  node.set = [&entry](std::string_view name,
                      const control::PropertyValue& value) -> std::optional<Status> {
    if (entry.row->set_property == nullptr) return std::nullopt;
    return entry.row->set_property(*entry.virtio(), name, value);
  };
  if (auto* const bridge = dynamic_cast<pci::Bridge*>(entry.pci.function.get())) {
    node.Add(BusNode(bridge->secondary().name(), "PCIE"));
  }
  if (entry.frontend != nullptr) AddVirtioParts(entry, node);
  return node;
}

virtio::VirtioDevice* Devices::FindVirtio(uint16_t id) const {
  for (const auto& entry : entries_) {
    virtio::VirtioDevice* const device = entry->virtio();
    if (device != nullptr && device->traits().id == id) return device;
  }
  return nullptr;
}

}  // namespace davit::machine
