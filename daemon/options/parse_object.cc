// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -object: text or JSON -> control::ObjectSpec. The text form turns strings into the types that
// the properties have (QAPI ObjectOptions); the JSON form has its types already and is held to
// them.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/options/object_types.h"
#include "daemon/options/table.h"
#include "daemon/options/values.h"

namespace davit::daemon {
namespace {

using control::ObjectSpec;
using control::PropertyList;
using control::PropertyValue;
using Kind = PropertyKind;

Status CheckEnum(const ObjectProperty& property, const std::string& value) {
  if (std::find(property.values.begin(), property.values.end(), value) != property.values.end()) {
    return {};
  }
  return Fail(fmt::format("Parameter '{}' does not accept value '{}'", property.name, value));
}

// "0", "0-3" or several of them as repeated keys.
Status AddNodes(const ObjectProperty& property, const std::string& text, PropertyList& nodes) {
  const size_t dash = text.find('-');
  const Number first = ParseNumber(text.substr(0, dash));
  const Number last = dash == std::string::npos ? first : ParseNumber(text.substr(dash + 1));
  if (first.fault != NumberFault::kNone || last.fault != NumberFault::kNone ||
      last.value < first.value || last.value > UINT16_MAX) {
    return Fail(fmt::format("Parameter '{}' expects a uint64 value or range", property.name));
  }
  for (uint64_t node = first.value; node <= last.value; ++node) nodes.push_back({node});
  return {};
}

Result<PropertyValue> FromText(const ObjectProperty& property, const std::string& text) {
  switch (property.kind) {
    case Kind::kBool:
      if (const auto value = ParseBool(text)) return PropertyValue{*value};
      return Fail(fmt::format("Parameter '{}' expects 'on' or 'off'", property.name));
    case Kind::kSize:
      if (const Number n = ParseSize(text); n.fault == NumberFault::kNone) {
        return PropertyValue{n.value};
      }
      return Fail(fmt::format("Parameter '{}' expects a size value", property.name));
    case Kind::kUint:
      if (const Number n = ParseNumber(text); n.fault == NumberFault::kNone) {
        return PropertyValue{n.value};
      }
      return Fail(fmt::format("Parameter '{}' expects a uint64 value", property.name));
    case Kind::kInt:
      if (const Number n = ParseNumber(text);
          n.fault == NumberFault::kNone && n.value <= INT64_MAX) {
        return PropertyValue{static_cast<int64_t>(n.value)};
      }
      return Fail(fmt::format("Parameter '{}' expects an int64 value or range", property.name));
    case Kind::kEnum:
      DAVIT_TRY(CheckEnum(property, text));
      return PropertyValue{text};
    case Kind::kString:
      return PropertyValue{text};
    case Kind::kNodes: {
      PropertyList nodes;
      DAVIT_TRY(AddNodes(property, text, nodes));
      return PropertyValue{std::move(nodes)};
    }
  }
  return Fail(fmt::format("Invalid parameter '{}'", property.name));
}

tl::unexpected<Error> WrongType(const ObjectProperty& property, const char* expected) {
  return Fail(
      fmt::format("Invalid parameter type for '{}', expected: {}", property.name, expected));
}

Result<PropertyValue> FromJson(const ObjectProperty& property, const json::Value& value) {
  switch (property.kind) {
    case Kind::kBool:
      if (const bool* b = value.AsBool()) return PropertyValue{*b};
      return WrongType(property, "boolean");
    case Kind::kSize:
    case Kind::kUint:
      if (const int64_t* n = value.AsInt(); n != nullptr && *n >= 0) {
        return PropertyValue{static_cast<uint64_t>(*n)};
      }
      if (const uint64_t* n = value.AsUint()) return PropertyValue{*n};
      return Fail(fmt::format("Parameter '{}' expects uint64", property.name));
    case Kind::kInt:
      if (const int64_t* n = value.AsInt()) return PropertyValue{*n};
      return WrongType(property, "integer");
    case Kind::kEnum:
      if (value.AsString() == nullptr) return WrongType(property, "string");
      DAVIT_TRY(CheckEnum(property, *value.AsString()));
      return PropertyValue{*value.AsString()};
    case Kind::kString:
      if (value.AsString() == nullptr) return WrongType(property, "string");
      return PropertyValue{*value.AsString()};
    case Kind::kNodes: {
      if (value.AsArray() == nullptr) return WrongType(property, "array");
      PropertyList nodes;
      for (const json::Value& node : *value.AsArray()) {
        if (node.AsInt() == nullptr || *node.AsInt() < 0) return WrongType(property, "integer");
        nodes.push_back({static_cast<uint64_t>(*node.AsInt())});
      }
      return PropertyValue{std::move(nodes)};
    }
  }
  return WrongType(property, "string");
}

Status CheckRequired(const ObjectType& type, const ObjectSpec& spec) {
  for (const ObjectProperty& property : type.properties) {
    const bool given = std::any_of(spec.properties.begin(), spec.properties.end(),
                                   [&](const auto& have) { return have.first == property.name; });
    if (property.required && !given) {
      return Fail(fmt::format("Parameter '{}' is missing", property.name));
    }
  }
  return {};
}

// host-nodes given several times is one list; another key's last value counts.
void SetProperty(ObjectSpec& spec, const ObjectProperty& property, PropertyValue value) {
  for (auto& [name, have] : spec.properties) {
    if (name != property.name) continue;
    auto* list = std::get_if<PropertyList>(&have.value);
    if (list != nullptr) {
      for (PropertyValue& node : std::get<PropertyList>(value.value)) {
        list->push_back(std::move(node));
      }
    } else {
      have = std::move(value);
    }
    return;
  }
  spec.properties.emplace_back(property.name, std::move(value));
}

Status FillFromText(const ObjectType& type, const ParamList& list, ObjectSpec& spec) {
  for (const auto& [key, text] : list.entries()) {
    if (key == "qom-type" || key == "id") continue;
    // The dotted spelling of list elements: host-nodes.0=1
    std::string_view name = key;
    const ObjectProperty* property = FindProperty(type, name);
    if (property == nullptr && name.find('.') != std::string_view::npos) {
      property = FindProperty(type, name.substr(0, name.find('.')));
      if (property != nullptr && property->kind != Kind::kNodes) property = nullptr;
    }
    if (property == nullptr) return Fail(fmt::format("Invalid parameter '{}'", key));
    DAVIT_ASSIGN(PropertyValue value, FromText(*property, text));
    SetProperty(spec, *property, std::move(value));
  }
  return {};
}

Status FillFromJson(const ObjectType& type, const json::Object& object, ObjectSpec& spec) {
  for (const auto& [key, json] : object.members()) {
    if (key == "qom-type" || key == "id") continue;
    const ObjectProperty* property = FindProperty(type, key);
    if (property == nullptr) return Fail(fmt::format("Parameter '{}' is unexpected", key));
    DAVIT_ASSIGN(PropertyValue value, FromJson(*property, json));
    SetProperty(spec, *property, std::move(value));
  }
  return {};
}

Status CheckStrings(const json::Object& object) {
  for (const char* key : {"qom-type", "id"}) {
    const json::Value* value = object.Find(key);
    if (value != nullptr && !value->is_string()) {
      return Fail(fmt::format("Invalid parameter type for '{}', expected: string", key));
    }
  }
  return {};
}

}  // namespace

Status ApplyObject(ParseContext& context, ParamList& list) {
  if (list.help) {
    context.options.show = Show::kObjects;
    return {};
  }
  const json::Object* object = list.json ? list.json->AsObject() : nullptr;
  if (object != nullptr) DAVIT_TRY(CheckStrings(*object));
  ObjectSpec spec{list.Get("qom-type"), list.Get("id"), {}};
  if (!list.Has("qom-type")) return Fail("Parameter 'qom-type' is missing");
  const ObjectType* type = FindObjectType(spec.qom_type);
  if (type == nullptr) {
    return Fail(fmt::format("Parameter 'qom-type' does not accept value '{}'", spec.qom_type));
  }
  if (!list.Has("id")) return Fail("Parameter 'id' is missing");
  if (!IsWellFormedId(spec.id)) {
    return Fail(
        "Parameter 'id' expects an identifier\n"
        "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
  }
  auto& objects = context.options.machine.objects;
  if (std::any_of(objects.begin(), objects.end(),
                  [&](const ObjectSpec& other) { return other.id == spec.id; })) {
    return Fail(fmt::format("Duplicate ID '{}' for object", spec.id));
  }
  DAVIT_TRY(object != nullptr ? FillFromJson(*type, *object, spec)
                              : FillFromText(*type, list, spec));
  DAVIT_TRY(CheckRequired(*type, spec));
  objects.push_back(std::move(spec));
  return {};
}

}  // namespace davit::daemon
