// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Introspection (QEMU docs/devel/qapi-code-gen, "Client JSON Protocol introspection"). All integer
// types show as "int". Type names are numbers in order of first use, so that no client relies on
// them. Members of each JSON object stand in the order in which QEMU 7.2 sends them.
#include "schema/compiler/emit_introspect.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

namespace davit::schema {
namespace {

bool IsInteger(const Type& type) {
  return type.kind == TypeKind::kBuiltin && type.builtin >= Builtin::kInt &&
         type.builtin <= Builtin::kSize;
}

std::string_view JsonType(Builtin builtin) {
  switch (builtin) {
    case Builtin::kStr:
      return "string";
    case Builtin::kNumber:
      return "number";
    case Builtin::kBool:
      return "boolean";
    case Builtin::kNull:
      return "null";
    case Builtin::kAny:
      return "value";
    default:
      return "int";
  }
}

class Introspector {
 public:
  explicit Introspector(const Schema& schema) : schema_(schema) {}

  std::vector<std::string> Run() {
    for (const auto& module : schema_.modules) {
      for (const Item& item : module->items) {
        if (const auto* command = std::get_if<const Command*>(&item)) AddCommand(**command);
        if (const auto* event = std::get_if<const Event*>(&item)) AddEvent(**event);
      }
    }
    for (size_t i = 0; i < queue_.size(); ++i) AddType(*queue_[i]);  // grows meanwhile
    return std::move(entries_);
  }

 private:
  // Notes that a type is used; returns the name that clients see.
  std::string Use(const Type* type) {
    if (type == nullptr) type = schema_.empty_object;
    if (IsInteger(*type)) type = schema_.builtins[static_cast<size_t>(Builtin::kInt)];
    const bool array = type->kind == TypeKind::kArray;
    // Arrays of the integer types are one array.
    const bool fresh = array && IsInteger(*type->element) ? !std::exchange(int_array_, true)
                                                          : used_.insert(type).second;
    if (fresh) queue_.push_back(type);
    if (type->kind == TypeKind::kBuiltin) return type->name;
    if (array) return fmt::format("[{}]", Use(type->element));
    const auto number = fmt::format("{}", numbers_.size());
    return numbers_.try_emplace(type, number).first->second;
  }

  static std::string FeatureSuffix(const std::vector<Feature>& features) {
    if (features.empty()) return "";
    std::string list;
    for (const Feature& feature : features) {
      list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", feature.name);
    }
    return fmt::format(", \"features\": [{}]", list);
  }

  void AddCommand(const Command& command) {
    const std::string arguments = Use(command.arguments);
    const std::string returns = Use(command.returns);
    entries_.push_back(fmt::format(
        R"({{"name": "{}", "ret-type": "{}", {}"meta-type": "command", "arg-type": "{}"{}}})",
        command.name, returns, command.allow_oob ? "\"allow-oob\": true, " : "", arguments,
        FeatureSuffix(command.features)));
  }

  void AddEvent(const Event& event) {
    entries_.push_back(fmt::format(R"({{"name": "{}", "meta-type": "event", "arg-type": "{}"{}}})",
                                   event.name, Use(event.arguments),
                                   FeatureSuffix(event.features)));
  }

  void AddType(const Type& type) {
    switch (type.kind) {
      case TypeKind::kBuiltin:
        entries_.push_back(
            fmt::format(R"({{"name": "{}", "json-type": "{}", "meta-type": "builtin"}})", type.name,
                        JsonType(type.builtin)));
        return;
      case TypeKind::kArray: {
        const std::string element = Use(type.element);
        entries_.push_back(fmt::format(
            R"({{"name": "[{}]", "element-type": "{}", "meta-type": "array"}})", element, element));
        return;
      }
      case TypeKind::kEnum:
        return AddEnum(type);
      case TypeKind::kAlternate:
        return AddAlternate(type);
      case TypeKind::kStruct:
      case TypeKind::kUnion:
        return AddObject(type);
    }
  }

  void AddEnum(const Type& type) {
    std::string members;
    std::string values;
    for (const EnumValue& value : type.values) {
      const char* comma = members.empty() ? "" : ", ";
      members +=
          fmt::format("{}{{\"name\": \"{}\"{}}}", comma, value.name, FeatureSuffix(value.features));
      values += fmt::format("{}\"{}\"", comma, value.name);
    }
    entries_.push_back(
        fmt::format(R"({{"name": "{}", "members": [{}], "meta-type": "enum", "values": [{}]{}}})",
                    numbers_.at(&type), members, values, FeatureSuffix(type.features)));
  }

  void AddAlternate(const Type& type) {
    std::string members;
    for (const Branch& branch : type.branches) {
      members +=
          fmt::format("{}{{\"type\": \"{}\"}}", members.empty() ? "" : ", ", Use(branch.type));
    }
    entries_.push_back(
        fmt::format(R"({{"name": "{}", "members": [{}], "meta-type": "alternate"{}}})",
                    numbers_.at(&type), members, FeatureSuffix(type.features)));
  }

  void AddObject(const Type& type) {
    std::string members;
    for (const Member& member : type.members) {
      members +=
          fmt::format("{}{{\"name\": \"{}\", {}\"type\": \"{}\"{}}}", members.empty() ? "" : ", ",
                      member.name, member.optional ? "\"default\": null, " : "", Use(member.type),
                      FeatureSuffix(member.features));
    }
    std::string variants;
    for (const Branch& branch : type.branches) {
      variants += fmt::format("{}{{\"case\": \"{}\", \"type\": \"{}\"}}",
                              variants.empty() ? "" : ", ", branch.name, Use(branch.type));
    }
    std::string tag;
    if (type.kind == TypeKind::kUnion) {
      tag = fmt::format("\"tag\": \"{}\", \"variants\": [{}], ",
                        type.members[type.discriminator].name, variants);
    }
    entries_.push_back(
        fmt::format(R"({{"name": "{}", {}"members": [{}], "meta-type": "object"{}}})",
                    numbers_.at(&type), tag, members, FeatureSuffix(type.features)));
  }

  const Schema& schema_;
  std::vector<std::string> entries_;
  std::set<const Type*> used_;
  bool int_array_ = false;
  std::vector<const Type*> queue_;
  std::map<const Type*, std::string> numbers_;
};

}  // namespace

std::vector<std::string> IntrospectionEntries(const Schema& schema) {
  return Introspector(schema).Run();
}

void EmitIntrospect(const Schema& schema, const EmitOptions& options, OutputFiles& files) {
  files["introspect.h"] = fmt::format(R"(// Generated by qapi-compiler. Do not edit.
#pragma once

#include <string_view>

namespace {0} {{

// What query-qmp-schema returns: the text of a JSON array.
std::string_view IntrospectionJson();

}}  // namespace {0}
)",
                                      options.cpp_namespace);
  // One literal an entry: adjacent ones are joined by the compiler.
  std::string text;
  for (const std::string& entry : IntrospectionEntries(schema)) {
    text += fmt::format("    R\"json({}{})json\"\n", text.empty() ? "" : ", ", entry);
  }
  files["introspect.cc"] =
      fmt::format(R"(// Generated by qapi-compiler. Do not edit.
{1}
namespace {0} {{
namespace {{

constexpr std::string_view kText =
    "["
{2}    "]";

}}  // namespace

std::string_view IntrospectionJson() {{ return kText; }}

}}  // namespace {0}
)",
                  options.cpp_namespace,
                  fmt::format("#include \"{}\"\n", options.IncludePath("introspect.h")), text);
}

}  // namespace davit::schema
