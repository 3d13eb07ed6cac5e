// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See qom_types.h.
#include "qmp/handlers/qom_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "schema/qapi/devices.h"

namespace davit::qmp {
namespace {

using qapi::DeviceProperty;
using qapi::DeviceType;
using qapi::ObjectPropertyInfo;

struct Row {
  std::string_view name, parent;
  bool abstract = true;
};

constexpr Row kRows[] = {
    {"object", ""},
    {"container", "object", false},
    // buses
    {"bus", "object"},
    {"ISA", "bus", false},
    {"PCI", "bus", false},
    {"PCIE", "PCI", false},
    {"SCSI", "bus", false},
    {"System", "bus", false},
    {"virtio-bus", "bus"},
    {"virtio-mmio-bus", "virtio-bus", false},
    {"virtio-pci-bus", "virtio-bus", false},
    {"virtio-serial-bus", "bus", false},
    // devices
    {"device", "object"},
    {"ICH9-LPC", "pci-device", false},
    {"base-pci-bridge", "pci-device"},
    {"cpu", "device"},
    {"isa-device", "device"},
    {"pci-device", "device"},
    {"pci-host-bridge", "sys-bus-device"},
    {"pcie-host-bridge", "pci-host-bridge"},
    {"pcie-port", "base-pci-bridge"},
    {"pcie-root-port-base", "pcie-slot"},
    {"pcie-slot", "pcie-port"},
    {"q35-pcihost", "pcie-host-bridge", false},
    {"scsi-device", "device"},
    {"scsi-disk-base", "scsi-device"},
    {"sys-bus-device", "device"},
    {"vhost-vsock-common", "virtio-device"},
    {"virtio-device", "device"},
    {"virtio-mmio", "sys-bus-device", false},
    {"virtio-pci", "pci-device"},
    {"virtio-scsi-common", "virtio-device"},
    {"virtio-serial-port", "device"},
    {"x86_64-cpu", "cpu"},
    // machines
    {"machine", "object"},
    {"x86-machine", "machine"},
    {"generic-pc-machine", "x86-machine"},
    // what object-add and chardev-add make
    {"chardev", "object"},
    {"chardev-fd", "chardev"},
    {"event-loop-base", "object"},
    {"memory-backend", "object"},
    {"rng-backend", "object"},
    {"secret_common", "object"},
};

// Properties that -device has no part in: of what is on the board, by -global, and of CPUs.
struct TypeProperty {
  std::string_view owner, name, type;
  std::optional<bool> default_value = {};  // of a device's; nullopt: QEMU tells none
};
constexpr TypeProperty kProperties[] = {
    {"ICH9-LPC", "acpi-pci-hotplug-with-bridge-support", "bool"},
    {"ICH9-LPC", "disable_s3", "uint8"},
    {"ICH9-LPC", "disable_s4", "uint8"},
    {"ICH9-LPC", "noreboot", "bool", true},
    {"max-x86_64-cpu", "migratable", "bool"},
    {"x86_64-cpu", "unavailable-features", "strList"},
};

// By how a name begins: what it is a kind of.
using Kinds = std::pair<std::string_view, std::string_view>[];
constexpr Kinds kObjects = {{"iothread", "event-loop-base"},
                            {"memory-backend-", "memory-backend"},
                            {"rng-", "rng-backend"},
                            {"secret", "secret_common"},
                            {"", "object"}};
constexpr Kinds kMachines = {
    {"pc-", "generic-pc-machine"}, {"none", "machine"}, {"", "x86-machine"}};
constexpr Kinds kCpus = {{"host-", "max-x86_64-cpu"}, {"", "x86_64-cpu"}};
constexpr Kinds kChardevs = {
    {"file", "chardev-fd"}, {"pipe", "chardev-fd"}, {"stdio", "chardev-fd"}, {"", "chardev"}};
constexpr Kinds kBuses = {{"ISA", "isa-device"},
                          {"PCI", "pci-device"},
                          {"SCSI", "scsi-device"},
                          {"virtio-bus", "virtio-device"},
                          {"virtio-serial-bus", "virtio-serial-port"},
                          {"", "device"}};

std::string KindOf(std::span<const std::pair<std::string_view, std::string_view>> kinds,
                   std::string_view name) {
  for (const auto& [begin, kind] : kinds) {
    if (name.starts_with(begin)) return std::string(kind);
  }
  return "";
}

// A virtio device on PCI comes from a type of its own, which its variants share:
// "virtio-rng-pci-base".
std::string VirtioBaseOf(const DeviceType& device) {
  constexpr std::string_view kVariant = "-non-transitional";
  std::string_view name = device.name;
  if (device.bus != "PCI" || !(name.starts_with("virtio-") || name.starts_with("vhost-")))
    return "";
  if (name.ends_with(kVariant)) name.remove_suffix(kVariant.size());
  return fmt::format("{}-base", name);
}

ObjectPropertyInfo Info(std::string_view name, std::string_view type,
                        std::string_view description = "") {
  ObjectPropertyInfo info{.name = std::string(name), .type = std::string(type)};
  if (!description.empty()) info.description = std::string(description);
  return info;
}

const DeviceType* FindDevice(const std::string& name) {
  const DeviceType* const type = qapi::FindDeviceType(qapi::DeviceTypes(), name);
  return type != nullptr && type->name == name ? type : nullptr;  // an alias is no type
}

}  // namespace

QomTypes::QomTypes(const control::VmControl& vm, const control::ChardevControl& chardevs)
    : vm_(vm) {
  for (const Row& row : kRows) {
    types_.push_back({std::string(row.name), std::string(row.parent), row.abstract});
  }
  for (const DeviceType& device : qapi::DeviceTypes()) {
    std::string parent(device.parent);
    if (const std::string base = VirtioBaseOf(device); parent.empty() && !base.empty()) {
      parent = base;
      if (Find(base) == nullptr) types_.push_back({base, "virtio-pci", true});
    }
    Add(std::string(device.name), parent.empty() ? KindOf(kBuses, device.bus) : parent);
  }
  for (const qapi::ObjectKind& object : qapi::ObjectKinds()) {
    Add(std::string(object.name), KindOf(kObjects, object.name), true);
  }
  for (const control::MachineTypeInfo& machine : vm.MachineTypes()) {
    Add(machine.name + "-machine", KindOf(kMachines, machine.name));
  }
  for (const control::CpuDefinition& cpu : vm.CpuDefinitions()) {
    Add(cpu.type_name, KindOf(kCpus, cpu.type_name));
  }
  for (const std::string& backend : chardevs.Backends()) {
    Add("chardev-" + backend, KindOf(kChardevs, backend));
  }
  std::sort(types_.begin(), types_.end(),
            [](const Type& a, const Type& b) { return a.name < b.name; });
}

// The last word on a type counts: a CPU's is that of its model.
void QomTypes::Add(std::string name, std::string parent, bool user_creatable) {
  std::erase_if(types_, [&](const Type& type) { return type.name == name; });
  types_.push_back({std::move(name), std::move(parent), false, user_creatable});
}

const QomTypes::Type* QomTypes::Find(const std::string& name) const {
  const auto it = std::find_if(types_.begin(), types_.end(),
                               [&](const Type& type) { return type.name == name; });
  return it == types_.end() ? nullptr : &*it;
}

bool QomTypes::Is(const Type& type, const std::string& ancestor) const {
  if (ancestor == "user-creatable" && type.user_creatable) return true;
  for (const Type* at = &type; at != nullptr; at = Find(at->parent)) {
    if (at->name == ancestor) return true;
  }
  return false;
}

std::vector<qapi::ObjectTypeInfo> QomTypes::List(const std::string& implements,
                                                 bool abstract) const {
  std::vector<qapi::ObjectTypeInfo> infos;
  for (const Type& type : types_) {
    if ((type.abstract && !abstract) || !Is(type, implements)) continue;
    qapi::ObjectTypeInfo info{.name = type.name};
    if (type.abstract) info.abstract = true;
    if (!type.parent.empty()) info.parent = type.parent;
    infos.push_back(std::move(info));
  }
  return infos;
}

Result<std::vector<ObjectPropertyInfo>> QomTypes::Properties(const std::string& name) const {
  const Type* const type = Find(name);
  if (type == nullptr) {
    return Fail(ErrorCode::kDeviceNotFound, fmt::format("Class '{}' not found", name));
  }
  std::vector<ObjectPropertyInfo> infos{Info("type", "string")};
  if (Is(*type, "device")) {
    infos.push_back(Info("parent_bus", "link<bus>"));
    infos.push_back(Info("realized", "bool"));
    infos.push_back(Info("hotplugged", "bool"));
    infos.push_back(Info("hotpluggable", "bool"));
  }
  if (Is(*type, "bus")) infos.push_back(Info("realized", "bool"));
  if (const DeviceType* const device = FindDevice(name)) {
    for (const DeviceProperty& property : device->properties) {
      infos.push_back(Info(property.name, property.type, property.description));
    }
  }
  for (const TypeProperty& property : kProperties) {
    if (Is(*type, std::string(property.owner))) infos.push_back(Info(property.name, property.type));
  }
  for (const qapi::ObjectKind& object : qapi::ObjectKinds()) {
    if (object.name != name) continue;
    for (const qapi::ObjectProperty& property : object.properties) {
      infos.push_back(Info(property.name, property.type, property.description));
    }
  }
  for (const control::MachineTypeInfo& machine : vm_.MachineTypes()) {
    if (machine.name + "-machine" != name) continue;
    for (const control::QomProperty& property : machine.properties) {
      infos.push_back(Info(property.name, property.type));
    }
  }
  return infos;
}

Result<std::vector<ObjectPropertyInfo>> QomTypes::DeviceProperties(const std::string& name) const {
  std::vector<ObjectPropertyInfo> infos;
  const DeviceType* const device = FindDevice(name);
  if (device == nullptr) {
    const Type* const type = Find(name);
    if (type == nullptr) {
      return Fail(ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", name));
    }
    if (type->abstract || !Is(*type, "device")) {
      return Fail("Parameter 'typename' expects a non-abstract device type");
    }
    for (const TypeProperty& property : kProperties) {
      if (property.owner != name) continue;
      infos.push_back(Info(property.name, property.type));
      if (property.default_value) infos.back().default_value = json::Value(*property.default_value);
    }
    return infos;
  }
  for (const DeviceProperty& property : device->properties) {
    infos.push_back(Info(property.name, property.type, property.description));
    infos.back().default_value = qapi::DefaultOf(property);
  }
  return infos;
}

}  // namespace davit::qmp
