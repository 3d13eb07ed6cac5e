// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See schema_model.h.
#include "clients/qmp-shell/schema_model.h"

namespace davit::client {
namespace {

// The string member of an object, or empty.
std::string Text(const json::Value& value, std::string_view member) {
  const std::string* text = value[member].AsString();
  return text == nullptr ? std::string() : *text;
}

const json::Array& Elements(const json::Value& value, std::string_view member) {
  static const json::Array kNone;
  const json::Array* array = value[member].AsArray();
  return array == nullptr ? kNone : *array;
}

}  // namespace

SchemaModel::SchemaModel(const json::Value& query_qmp_schema) {
  const json::Array* all = query_qmp_schema.AsArray();
  if (all == nullptr) return;
  for (const json::Value& entity : *all) {
    const std::string meta = Text(entity, "meta-type");
    const std::string name = Text(entity, "name");
    // Commands, events and types may share a name.
    const std::string prefix = meta == "command" ? "c:" : meta == "event" ? "e:" : "";
    entities_.emplace(prefix + name, entity);
  }
}

const json::Value* SchemaModel::Find(std::string_view name) const {
  const auto it = entities_.find(name);
  return it == entities_.end() ? nullptr : &it->second;
}

std::vector<std::string> SchemaModel::NamesOf(std::string_view meta_type) const {
  std::vector<std::string> names;
  for (const auto& [key, entity] : entities_) {
    if (Text(entity, "meta-type") == meta_type) names.push_back(Text(entity, "name"));
  }
  return names;
}

std::vector<std::string> SchemaModel::Commands() const { return NamesOf("command"); }
std::vector<std::string> SchemaModel::Events() const { return NamesOf("event"); }

bool SchemaModel::HasCommand(std::string_view name) const {
  return Find("c:" + std::string(name)) != nullptr;
}

std::string SchemaModel::ArgumentType(std::string_view command) const {
  const json::Value* entity = Find("c:" + std::string(command));
  return entity == nullptr ? std::string() : Text(*entity, "arg-type");
}

SchemaModel::Kind SchemaModel::KindOf(std::string_view type) const {
  const json::Value* entity = Find(type);
  if (entity == nullptr) return Kind::kUnknown;
  const std::string meta = Text(*entity, "meta-type");
  if (meta == "enum") return Kind::kEnum;
  if (meta == "array") return Kind::kArray;
  if (meta == "object") return Kind::kObject;
  if (meta == "alternate") return Kind::kAlternate;
  const std::string json_type = Text(*entity, "json-type");
  if (json_type == "string") return Kind::kString;
  if (json_type == "int") return Kind::kInt;
  if (json_type == "number") return Kind::kNumber;
  if (json_type == "boolean") return Kind::kBool;
  return Kind::kUnknown;
}

std::vector<std::string> SchemaModel::EnumValues(std::string_view type) const {
  std::vector<std::string> values;
  const json::Value* entity = Find(type);
  if (entity == nullptr) return values;
  for (const json::Value& member : Elements(*entity, "members")) {
    values.push_back(Text(member, "name"));
  }
  // Before 6.2 there was only "values".
  if (values.empty()) {
    for (const json::Value& value : Elements(*entity, "values")) {
      if (const std::string* text = value.AsString()) values.push_back(*text);
    }
  }
  return values;
}

std::string SchemaModel::ElementType(std::string_view array_type) const {
  const json::Value* entity = Find(array_type);
  return entity == nullptr ? std::string() : Text(*entity, "element-type");
}

std::vector<SchemaModel::Field> SchemaModel::FieldsOf(
    std::string_view type, const std::function<std::string(const std::string&)>& value_of) const {
  std::vector<Field> fields;
  const json::Value* entity = Find(type);
  if (entity == nullptr) return fields;
  if (Text(*entity, "meta-type") == "alternate") {
    for (const json::Value& member : Elements(*entity, "members")) {
      const std::string branch = Text(member, "type");
      if (KindOf(branch) == Kind::kObject) return FieldsOf(branch, value_of);
    }
    return fields;
  }
  for (const json::Value& member : Elements(*entity, "members")) {
    const json::Object* object = member.AsObject();
    // A "default" (even null) marks an optional member.
    const bool optional = object != nullptr && object->Has("default");
    fields.push_back({Text(member, "name"), Text(member, "type"), optional});
  }
  const std::string tag = Text(*entity, "tag");
  const std::string selected = tag.empty() ? std::string() : value_of(tag);
  if (selected.empty()) return fields;
  for (const json::Value& variant : Elements(*entity, "variants")) {
    if (Text(variant, "case") != selected) continue;
    for (Field& field : FieldsOf(Text(variant, "type"), value_of)) {
      fields.push_back(std::move(field));
    }
  }
  return fields;
}

}  // namespace davit::client
