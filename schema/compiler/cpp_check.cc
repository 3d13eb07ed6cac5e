// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Collisions between C++ names (cpp_names.h) of one scope: the generated namespace, an enum, a
// struct.
#include "schema/compiler/cpp_check.h"

#include <fmt/format.h>

#include <map>

#include "schema/compiler/cpp_names.h"

namespace davit::schema {
namespace {

// What generated code uses by these names: schema/runtime, vmm/base and its own functions.
constexpr const char* kTaken[] = {
    "BasicCommandEntry",
    "Box",
    "Caller",
    "CommandContext",
    "CommandEntry",
    "Commands",
    "Completion",
    "Decode",
    "DecodeMembers",
    "DecodeNothing",
    "DecodeOptional",
    "DecodeValue",
    "Decoder",
    "DeviceProperty",
    "DeviceType",
    "DeviceTypes",
    "Encode",
    "EncodeMembers",
    "EncodeResult",
    "EncodeThen",
    "Error",
    "ErrorCode",
    "Event",
    "Fail",
    "FindCommand",
    "Handlers",
    "IntrospectionJson",
    "ListScope",
    "NamedFds",
    "NoHandler",
    "ObjectScope",
    "PropertyKind",
    "Result",
    "SizeRef",
    "Status",
    "ToString",
    "UniqueFd",
};

class CppChecker {
 public:
  explicit CppChecker(const Schema& schema) : schema_(schema), names_(schema) {}

  Status Run() {
    Names commands;
    Names events;
    for (const char* name : kTaken) {
      commands[name] = events[name] = global_[name] = "something that generated code needs";
    }
    for (const auto& module : schema_.modules) {
      global_[CppNames::CommandClass(*module)] =
          fmt::format("the class for commands of {}", module->path);
    }
    for (const Type* type : schema_.types) DAVIT_TRY(CheckType(*type));
    // Functions have scopes of their own; types of the same names are qualified there.
    for (const auto& module : schema_.modules) {
      for (const Command* command : module->commands) {
        DAVIT_TRY(Add(commands, CamelCase(command->name), command->where,
                      fmt::format("command '{}'", command->name)));
      }
      for (const Event* event : module->events) {
        DAVIT_TRY(Add(events, CamelCase(event->name), event->where,
                      fmt::format("event '{}'", event->name)));
      }
    }
    return {};
  }

 private:
  using Names = std::map<std::string, std::string>;  // C++ name -> who has it

  static Status Add(Names& names, const std::string& name, const Location& where,
                    const std::string& who) {
    const auto [it, inserted] = names.try_emplace(name, who);
    if (inserted) return {};
    return Fail(fmt::format("{}:{}: In {}: its C++ name '{}' is that of {}", where.file, where.line,
                            who, name, it->second));
  }

  Status CheckType(const Type& type) {
    const std::string who =
        type.implicit ? "arguments " + type.name : fmt::format("type '{}'", type.name);
    if (names_.IsEmitted(type)) {
      DAVIT_TRY(Add(global_, names_.TypeName(type), type.where, who));
    }
    Names inside;
    for (const EnumValue& value : type.values) {
      DAVIT_TRY(Add(inside, ConstantName(value.name), type.where,
                    fmt::format("value '{}' of {}", value.name, who)));
    }
    for (const Member& member : type.members) {
      DAVIT_TRY(Add(inside, MemberName(member.name), type.where,
                    fmt::format("member '{}' of {}", member.name, who)));
    }
    return {};
  }

  const Schema& schema_;
  const CppNames names_;
  Names global_;
};

}  // namespace

Status CheckCppNames(const Schema& schema) { return CppChecker(schema).Run(); }

}  // namespace davit::schema
