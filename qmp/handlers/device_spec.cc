// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See device_spec.h.
#include "qmp/handlers/device_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>

#include "schema/qapi/devices.h"
#include "schema/runtime/json/json.h"

namespace davit::qmp {
namespace {

using control::DeviceSpec;
using control::PropertyValue;
using qapi::DeviceProperty;
using qapi::DeviceType;
using qapi::PropertyKind;

PropertyValue ToProperty(PropertyKind kind, const json::Value& value) {
  if (const bool* flag = value.AsBool()) return {*flag};
  if (const std::string* text = value.AsString()) return {*text};
  if (const uint64_t* number = value.AsUint()) return {*number};
  const int64_t number = value.AsInt() != nullptr ? *value.AsInt() : 0;
  const bool is_signed = kind == PropertyKind::kInt32 || kind == PropertyKind::kInt64 ||
                         kind == PropertyKind::kPciAddress;
  if (is_signed) return {number};
  return {static_cast<uint64_t>(number)};
}

Result<const DeviceType*> FindType(const std::string* driver) {
  if (driver == nullptr || driver->empty()) return Fail("Parameter 'driver' is missing");
  const DeviceType* type = qapi::FindDeviceType(qapi::DeviceTypes(), *driver);
  if (type == nullptr) return Fail(fmt::format("'{}' is not a valid device model name", *driver));
  return type;
}

Status CheckId(const std::string& id) {
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const bool good =
      !id.empty() && is_letter(id[0]) && std::all_of(id.begin(), id.end(), [&](char c) {
        return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
      });
  if (good) return {};
  return Fail(
      "Parameter 'id' expects an identifier\n"
      "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
}

// Defaults, then what -global says.
class Builder {
 public:
  explicit Builder(const DeviceType& type) : type_(type) {
    spec_.driver = type.name;
    for (const DeviceProperty& property : type.properties) {
      if (const auto value = qapi::DefaultOf(property)) {
        spec_.properties.emplace_back(property.name, ToProperty(property.kind, *value));
      }
    }
  }

  Status ApplyGlobals(std::span<const DeviceGlobal> globals) {
    for (const DeviceGlobal& global : globals) {
      if (qapi::FindDeviceType(qapi::DeviceTypes(), global.driver) != &type_) continue;
      const Status status = Set(global.property, [&](const DeviceProperty& property) {
        return qapi::ParseProperty(property, global.value);
      });
      if (!status) {
        return Fail(fmt::format("can't apply global {}.{}={}: {}", global.driver, global.property,
                                global.value, status.error().message));
      }
    }
    return {};
  }

  Status Set(const std::string& name,
             const std::function<Result<json::Value>(const DeviceProperty&)>& parse) {
    const DeviceProperty* property = type_.Find(name);
    if (property == nullptr) {
      return Fail(fmt::format("Property '{}.{}' not found", type_.name, name));
    }
    DAVIT_ASSIGN(const json::Value value, parse(*property));
    const auto at = std::find_if(spec_.properties.begin(), spec_.properties.end(),
                                 [&](const auto& have) { return have.first == name; });
    if (at != spec_.properties.end()) {
      at->second = ToProperty(property->kind, value);
    } else {
      spec_.properties.emplace_back(name, ToProperty(property->kind, value));
    }
    return {};
  }

  DeviceSpec& spec() { return spec_; }

 private:
  const DeviceType& type_;
  DeviceSpec spec_;
};

// Of keys that are given twice QEMU takes the first id, and the last of all others.
const std::string* LastOf(const DeviceTexts& texts, std::string_view key) {
  const auto it = std::find_if(texts.rbegin(), texts.rend(),
                               [&](const auto& entry) { return entry.first == key; });
  return it == texts.rend() ? nullptr : &it->second;
}

const std::string* FirstOf(const DeviceTexts& texts, std::string_view key) {
  const auto it = std::find_if(texts.begin(), texts.end(),
                               [&](const auto& entry) { return entry.first == key; });
  return it == texts.end() ? nullptr : &it->second;
}

bool IsPlace(std::string_view key) { return key == "driver" || key == "id" || key == "bus"; }

// A string member that is no property.
Result<std::optional<std::string>> Text(const json::Object& object, std::string_view key) {
  const json::Value* value = object.Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    return Fail(fmt::format("Invalid parameter type for '{}', expected: string", key));
  }
  return *value->AsString();
}

Status SetPlace(DeviceSpec& spec, const std::string* id, const std::string* bus) {
  if (id != nullptr) {
    DAVIT_TRY(CheckId(*id));
    spec.id = *id;
  }
  if (bus != nullptr) {
    if (bus->empty()) return Fail("Bus '' not found");
    spec.bus = *bus;
  }
  return {};
}

std::string DefaultText(const DeviceProperty& property) {
  const std::optional<json::Value> value = qapi::DefaultOf(property);
  return value ? fmt::format(" (default: {})", json::Write(*value)) : "";
}

}  // namespace

Result<DeviceSpec> DeviceSpecFromTexts(const DeviceTexts& texts,
                                       std::span<const DeviceGlobal> globals) {
  const std::string* id = FirstOf(texts, "id");
  if (id != nullptr) DAVIT_TRY(CheckId(*id));
  DAVIT_ASSIGN(const DeviceType* const type, FindType(LastOf(texts, "driver")));
  Builder builder(*type);
  DAVIT_TRY(SetPlace(builder.spec(), id, LastOf(texts, "bus")));
  DAVIT_TRY(builder.ApplyGlobals(globals));
  for (const auto& entry : texts) {
    if (IsPlace(entry.first)) continue;
    DAVIT_TRY(builder.Set(entry.first, [&entry](const DeviceProperty& property) {
      return qapi::ParseProperty(property, entry.second);
    }));
  }
  return std::move(builder.spec());
}

Result<DeviceSpec> DeviceSpecFromJson(const json::Object& object,
                                      std::span<const DeviceGlobal> globals) {
  const json::Value* driver = object.Find("driver");
  DAVIT_ASSIGN(const DeviceType* const type,
               FindType(driver != nullptr ? driver->AsString() : nullptr));
  DAVIT_ASSIGN(const std::optional<std::string> id, Text(object, "id"));
  DAVIT_ASSIGN(const std::optional<std::string> bus, Text(object, "bus"));
  Builder builder(*type);
  DAVIT_TRY(SetPlace(builder.spec(), id ? &*id : nullptr, bus ? &*bus : nullptr));
  DAVIT_TRY(builder.ApplyGlobals(globals));
  for (const json::Member& member : object.members()) {
    if (IsPlace(member.first)) continue;
    DAVIT_TRY(builder.Set(member.first, [&member](const DeviceProperty& property) {
      return qapi::CheckProperty(property, member.second);
    }));
  }
  return std::move(builder.spec());
}

Result<DeviceSpec> DeviceSpecFromArguments(const json::Object& arguments,
                                           std::span<const DeviceGlobal> globals) {
  DeviceTexts texts;
  for (const auto& [key, value] : arguments.members()) {
    if (const std::string* text = value.AsString()) {
      texts.emplace_back(key, *text);
    } else if (const bool* flag = value.AsBool(); flag != nullptr && !IsPlace(key)) {
      texts.emplace_back(key, *flag ? "on" : "off");
    } else if (value.is_number() && !IsPlace(key)) {
      texts.emplace_back(key, json::Write(value));
    } else {
      return Fail(fmt::format("Invalid parameter type for '{}', expected: string", key));
    }
  }
  return DeviceSpecFromTexts(texts, globals);
}

Result<std::string> DevicePropertiesText(std::string_view name) {
  const DeviceType* type = qapi::FindDeviceType(qapi::DeviceTypes(), name);
  if (type == nullptr) return Fail(fmt::format("Device '{}' not found", name));
  if (type->properties.empty()) {
    return fmt::format("There are no options for {}.\n", type->name);
  }
  std::string text = fmt::format("{} options:\n", type->name);
  for (const DeviceProperty& property : type->properties) {
    const std::string left = fmt::format("  {}=<{}>", property.name, property.type);
    fmt::format_to(std::back_inserter(text), "{:<24} - {}{}\n", left, property.description,
                   DefaultText(property));
  }
  return text;
}

std::string DevicesText() {
  constexpr std::pair<std::string_view, std::string_view> kCategories[] = {
      {"bridge", "Controller/Bridge/Hub"},
      {"storage", "Storage"},
      {"network", "Network"},
      {"input", "Input"},
      {"display", "Display"},
      {"sound", "Sound"},
      {"misc", "Misc"},
      {"cpu", "CPU"},
      {"watchdog", "Watchdog"}};
  std::string text;
  for (const auto& [category, title] : kCategories) {
    std::string rows;
    for (const DeviceType& type : qapi::DeviceTypes()) {
      if (type.category != category) continue;
      fmt::format_to(std::back_inserter(rows), "name \"{}\"", type.name);
      if (!type.bus.empty()) fmt::format_to(std::back_inserter(rows), ", bus {}", type.bus);
      if (!type.alias.empty()) {
        fmt::format_to(std::back_inserter(rows), ", alias \"{}\"", type.alias);
      }
      if (!type.description.empty()) {
        fmt::format_to(std::back_inserter(rows), ", desc \"{}\"", type.description);
      }
      rows += '\n';
    }
    if (rows.empty()) continue;
    fmt::format_to(std::back_inserter(text), "{}{} devices:\n{}", text.empty() ? "" : "\n", title,
                   rows);
  }
  return text;
}

}  // namespace davit::qmp
