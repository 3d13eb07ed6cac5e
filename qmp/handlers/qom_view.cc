// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See qom_view.h.
#include "qmp/handlers/qom_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "qmp/handlers/object_spec.h"
#include "schema/qapi/devices.h"
#include "schema/runtime/number_text.h"

namespace davit::qmp {
namespace {

using control::QomObject;
using control::QomProperty;
using qapi::DeviceProperty;
using qapi::DeviceType;
using qapi::ObjectKind;
using qapi::ObjectProperty;
using qapi::PropertyKind;

tl::unexpected<Error> NotFound(const std::string& type, const std::string& property) {
  return Fail(fmt::format("Property '{}.{}' not found", type, property));
}

const QomProperty* OwnProperty(const QomObject& object, const std::string& name) {
  const auto it = std::find_if(object.properties.begin(), object.properties.end(),
                               [&](const QomProperty& property) { return property.name == name; });
  return it == object.properties.end() ? nullptr : &*it;
}

// Null: the schema gives no device of this type such a property. An alias is no type.
const DeviceProperty* DevicePropertyOf(const std::string& type, const std::string& name) {
  const DeviceType* const device = qapi::FindDeviceType(qapi::DeviceTypes(), type);
  return device != nullptr && device->name == type ? device->Find(name) : nullptr;
}

std::span<const ObjectProperty> ObjectPropertiesOf(const std::string& type) {
  for (const ObjectKind& object : qapi::ObjectKinds()) {
    if (object.name == type) return object.properties;
  }
  return {};
}

const ObjectProperty* ObjectPropertyOf(const std::string& type, const std::string& name) {
  for (const ObjectProperty& property : ObjectPropertiesOf(type)) {
    if (property.name == name) return &property;
  }
  return nullptr;
}

// As QEMU names its type; empty: there is no such property.
std::string TypeOf(const QomObject& object, const std::string& name) {
  if (const QomProperty* own = OwnProperty(object, name)) return own->type;
  if (const DeviceProperty* device = DevicePropertyOf(object.type, name)) {
    return std::string(device->type);
  }
  const ObjectProperty* const property = ObjectPropertyOf(object.type, name);
  return property != nullptr ? std::string(property->type) : "";
}

// What -device has set stays as it is.
Status CheckWritable(const QomObject& object, const std::string& name) {
  if (OwnProperty(object, name) != nullptr) return {};
  const DeviceProperty* const property = DevicePropertyOf(object.type, name);
  if (property == nullptr) return {};
  // QEMU's virtio device behind a transport has no id.
  const bool anonymous = object.id.empty() || property->owner != object.type;
  return Fail(fmt::format(
      "Attempt to set property '{}' on {} (type '{}') after it was realized", name,
      anonymous ? "anonymous device" : fmt::format("device '{}'", object.id), property->owner));
}

json::Value FromDevice(const DeviceProperty& property,
                       const std::optional<control::PropertyValue>& value) {
  // What was not given: a number is a bootindex, where -1 stands for no place; else a text.
  if (!value && property.kind == PropertyKind::kInt32) return -1;
  if (!value) return "";
  json::Value json = ToJson(*value);
  const std::string* const id = json.AsString();
  if (property.kind != PropertyKind::kLink || id == nullptr || id->empty()) return json;
  return id->starts_with('/') ? *id : "/objects/" + *id;
}

Result<json::Value> ParseText(const std::string& type, const std::string& name,
                              const std::string& text) {
  if (type == "bool") {
    if (text == "on" || text == "yes" || text == "true" || text == "y") return true;
    if (text == "off" || text == "no" || text == "false" || text == "n") return false;
    return Fail(fmt::format("Parameter '{}' expects 'on' or 'off'", name));
  }
  const char* end = nullptr;
  if (type == "int" || type.starts_with("int")) {
    int64_t number = 0;
    if (qapi::ParseIntText(text.c_str(), &end, number) && *end == '\0') return number;
    return Fail(fmt::format("Parameter '{}' expects int64", name));
  }
  if (type.starts_with("uint")) {
    uint64_t number = 0;
    if (qapi::ParseUintText(text.c_str(), &end, number) && *end == '\0') return number;
    return Fail(fmt::format("Parameter '{}' expects uint64", name));
  }
  if (type == "size") {
    uint64_t bytes = 0;
    if (qapi::ParseSizeText(text, bytes)) return bytes;
    return Fail(fmt::format("Parameter '{}' expects a size", name));
  }
  return text;
}

}  // namespace

Result<std::vector<qapi::ObjectPropertyInfo>> ListObject(const control::VmControl& vm,
                                                         const std::string& path) {
  DAVIT_ASSIGN(const QomObject object, vm.QomFind(path));
  std::vector<qapi::ObjectPropertyInfo> infos;
  const auto add = [&](std::string_view name, std::string_view type) {
    infos.push_back({.name = std::string(name), .type = std::string(type)});
  };
  for (const QomProperty& property : object.properties) add(property.name, property.type);
  const DeviceType* const device = qapi::FindDeviceType(qapi::DeviceTypes(), object.type);
  if (device != nullptr) {
    for (const DeviceProperty& property : device->properties) {
      if (OwnProperty(object, std::string(property.name)) == nullptr) {
        add(property.name, property.type);
      }
    }
  }
  for (const ObjectProperty& property : ObjectPropertiesOf(object.type)) {
    add(property.name, property.type);
  }
  return infos;
}

Result<json::Value> GetProperty(const control::VmControl& vm, const std::string& path,
                                const std::string& property) {
  DAVIT_ASSIGN(const auto value, vm.QomGet(path, property));
  DAVIT_ASSIGN(const QomObject object, vm.QomFind(path));
  if (OwnProperty(object, property) == nullptr) {
    if (const DeviceProperty* const device = DevicePropertyOf(object.type, property)) {
      return FromDevice(*device, value);
    }
    if (ObjectPropertyOf(object.type, property) == nullptr) return NotFound(object.type, property);
  }
  if (!value) return NotFound(object.type, property);
  return ToJson(*value);
}

Status SetProperty(control::VmControl& vm, const std::string& path, const std::string& property,
                   const json::Value& value) {
  if (const auto object = vm.QomFind(path)) DAVIT_TRY(CheckWritable(*object, property));
  DAVIT_ASSIGN(const control::PropertyValue typed, ToPropertyValue(value, property));
  return vm.QomSet(path, property, typed);
}

Status SetPropertyText(control::VmControl& vm, const std::string& path, const std::string& property,
                       const std::string& text) {
  json::Value value = text;
  if (const auto object = vm.QomFind(path)) {
    DAVIT_TRY(CheckWritable(*object, property));
    const std::string type = TypeOf(*object, property);
    if (type.empty()) return NotFound(object->type, property);
    DAVIT_ASSIGN(value, ParseText(type, property, text));
  }
  return SetProperty(vm, path, property, value);
}

}  // namespace davit::qmp
