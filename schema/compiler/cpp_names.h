// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How schema names are spelled in the generated C++: the one place that all emitters of code share,
// so that what one declares is what another uses. Pure functions of the IR.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "schema/compiler/ir.h"

namespace davit::schema {

// "query-status" -> "QueryStatus", "GUEST_PANICKED" -> "GuestPanicked", "2M" -> "2M".
std::string CamelCase(std::string_view name);
// "cpu-index" -> "cpu_index"; a keyword or the union's "u" gets a trailing '_'.
std::string MemberName(std::string_view name);
// "inject-nmi" -> "kInjectNmi".
std::string ConstantName(std::string_view name);

// The C++ names of one schema's types and what is called after modules.
class CppNames {
 public:
  // With the namespace of the outputs: names for where functions are declared that are called after
  // commands and events. A type called like one of them ("BlockdevSnapshotSync") is then qualified.
  explicit CppNames(const Schema& schema, std::string_view cpp_namespace = "");

  // As a member or return type: "int64_t", "std::vector<RunState>", "StatusInfo".
  std::string TypeName(const Type& type) const;
  // As a member: std::optional and Box around TypeName() where needed.
  std::string MemberType(const Member& member) const;
  std::string BranchType(const Branch& branch) const;
  // True for the structs that become C++ (an implicit base of a union does not: it is flattened;
  // q_empty does not).
  bool IsEmitted(const Type& type) const;

  static std::string CommandClass(const Module& module) {
    return CamelCase(module.name) + "Commands";
  }
  static std::string HandlersMember(const Module& module) { return MemberName(module.name); }
  // The struct that a handler gets, or "" when there are no arguments.
  std::string Arguments(const Command& command) const;
  std::string Arguments(const Event& event) const;
  // "void" for none, json::Value for gen: false.
  std::string Returns(const Command& command) const;

 private:
  std::string ArgumentsName(const Type* arguments) const;

  std::map<const Type*, std::string> implicit_;  // arguments of commands and events
  std::string qualifier_;                        // "davit::qapi::"
  std::set<std::string, std::less<>> functions_;
};

// "namespace davit::qapi {" and its end; an include line.
std::string OpenNamespace(std::string_view name);
std::string CloseNamespace(std::string_view name);
// The head of a generated file: licence of the output, #pragma once for headers.
std::string FileHead(bool header);

}  // namespace davit::schema
