// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Properties of devices by QOM path (devices.h): what the schema gave the device, and what its row
// offers at run time.
#include <fmt/format.h>

#include <algorithm>

#include "vmm/machine/devices/devices.h"

namespace davit::machine {
namespace {

constexpr std::string_view kPeripheral = "/machine/peripheral/";
constexpr std::string_view kBackend = "/virtio-backend";  // QEMU's virtio device behind a transport

}  // namespace

Result<const Devices::Entry*> Devices::FindByPath(const std::string& path) const {
  std::string_view id = path;
  if (id.starts_with(kPeripheral)) id.remove_prefix(kPeripheral.size());
  if (id.ends_with(kBackend)) id.remove_suffix(kBackend.size());
  const auto it = std::find_if(entries_.begin(), entries_.end(), [id](const auto& entry) {
    return !entry->spec.id.empty() && entry->spec.id == id;
  });
  if (it != entries_.end()) return it->get();
  return Fail(ErrorCode::kDeviceNotFound, fmt::format("Device '{}' not found", path));
}

Result<control::PropertyValue> Devices::GetProperty(const std::string& path,
                                                    const std::string& property) const {
  DAVIT_ASSIGN(const Entry* const entry, FindByPath(path));
  if (entry->row->get_property != nullptr) {
    if (auto value = entry->row->get_property(*entry->virtio(), property)) return *value;
  }
  // Where it is, also when it was given no place.
  if (property == "addr" && entry->pci.function != nullptr) {
    return control::PropertyValue{int64_t{entry->pci.function->devfn()}};
  }
  for (const auto& [name, value] : entry->spec.properties) {
    if (name == property) return value;
  }
  if (property == "type") return control::PropertyValue{entry->spec.driver};
  return Fail(fmt::format("Property '{}.{}' not found", entry->spec.driver, property));
}

Status Devices::SetProperty(const std::string& path, const std::string& property,
                            const control::PropertyValue& value) {
  DAVIT_ASSIGN(const Entry* const entry, FindByPath(path));
  if (entry->row->set_property != nullptr) {
    if (const auto status = entry->row->set_property(*entry->virtio(), property, value)) {
      return *status;
    }
  }
  for (const auto& [name, ignored] : entry->spec.properties) {
    if (name != property) continue;
    return Fail(
        fmt::format("Attempt to set property '{}' on device '{}' (type '{}') after it was realized",
                    property, entry->spec.id, entry->spec.driver));
  }
  return Fail(fmt::format("Property '{}.{}' not found", entry->spec.driver, property));
}

virtio::VirtioDevice* Devices::FindVirtio(uint16_t id) const {
  for (const auto& entry : entries_) {
    virtio::VirtioDevice* const device = entry->virtio();
    if (device != nullptr && device->traits().id == id) return device;
  }
  return nullptr;
}

}  // namespace davit::machine
