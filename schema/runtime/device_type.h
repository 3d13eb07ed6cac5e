// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The table that generated code (devices.h) makes of the schema's `device` definitions: every
// driver with its properties, and from a text or a JSON value to a typed property. The words of
// errors are those of QEMU 7.2 for -device and device_add. Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::qapi {

enum class PropertyKind : uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kUint64,
  kSize,
  kInt32,
  kInt64,
  kString,
  kEnum,
  kPciAddress,  // slot and function: "06.0", "6", or slot * 8 + function as a JSON number
  kMac,         // "52:54:00:12:34:56"
  kLink,        // the id of an object
};

struct DeviceProperty {
  std::string_view name;
  PropertyKind kind;
  std::string_view type;         // as QEMU names it: "uint32", "OnOffAuto", "link<rng-backend>"
  std::string_view description;  // the first sentence of its documentation
  std::optional<std::string_view> initial;   // the default, as the command line spells it
  std::string_view owner;                    // the driver that messages about its value name
  std::span<const std::string_view> values;  // kEnum
};

struct DeviceType {
  std::string_view name;
  std::string_view alias;                      // may be empty
  std::string_view bus;                        // "PCI", "virtio-bus", ...
  std::string_view category;                   // "storage", "misc", ...
  std::string_view description;                // may be empty
  std::string_view parent;                     // what it is a kind of; empty: as its bus says
  std::span<const DeviceProperty> properties;  // sorted by name

  const DeviceProperty* Find(std::string_view property) const;  // null: none
};

// A type of object-add.
struct ObjectProperty {
  std::string_view name;
  std::string_view type;         // as QEMU names it: "string", "int", "HostMemPolicy"
  std::string_view description;  // as DeviceProperty::description
};
struct ObjectKind {
  std::string_view name;
  std::span<const ObjectProperty> properties;
};

// By name or alias; null when there is none.
const DeviceType* FindDeviceType(std::span<const DeviceType> types, std::string_view name);

// From the text of property=TEXT. The result is a bool, an int64, a uint64 or a string by `kind`;
// kPciAddress: int64 slot * 8 + function.
Result<json::Value> ParseProperty(const DeviceProperty& property, std::string_view text);
// The same from JSON, which is held to the type.
Result<json::Value> CheckProperty(const DeviceProperty& property, const json::Value& value);
// The default; nullopt when it has none.
std::optional<json::Value> DefaultOf(const DeviceProperty& property);

}  // namespace davit::qapi
