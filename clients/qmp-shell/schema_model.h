// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the server says of itself in query-qmp-schema (QEMU docs/devel/qapi-code-gen, "Client
// JSON Protocol introspection"), as completion and argument typing need it. Every lookup copes with
// a schema that is wrong or incomplete: it then knows less.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "schema/runtime/json/value.h"

namespace davit::client {

class SchemaModel {
 public:
  SchemaModel() = default;  // knows nothing
  explicit SchemaModel(const json::Value& query_qmp_schema);

  enum class Kind { kUnknown, kString, kInt, kNumber, kBool, kEnum, kArray, kObject, kAlternate };

  struct Field {
    std::string name;
    std::string type;  // name of a type for Kind and FieldsOf
    bool optional = false;
  };

  std::vector<std::string> Commands() const;
  bool HasCommand(std::string_view name) const;
  std::vector<std::string> Events() const;
  // Name of the argument type of a command; empty when unknown.
  std::string ArgumentType(std::string_view command) const;

  Kind KindOf(std::string_view type) const;
  std::vector<std::string> EnumValues(std::string_view type) const;
  std::string ElementType(std::string_view array_type) const;
  // Members of an object type, those of the branch that the discriminator's value selects included;
  // value_of(member) gives what the user typed so far, empty when not. An alternate
  // gives the members of its object branch.
  std::vector<Field> FieldsOf(std::string_view type,
                              const std::function<std::string(const std::string&)>& value_of) const;

 private:
  const json::Value* Find(std::string_view name) const;
  std::vector<std::string> NamesOf(std::string_view meta_type) const;

  std::map<std::string, json::Value, std::less<>> entities_;  // key: name, commands "c:"+name
};

}  // namespace davit::client
