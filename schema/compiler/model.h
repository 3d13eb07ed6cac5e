// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The checker's working form of a schema: definitions with types by name (structure.cc makes them),
// then with types resolved (checker.cc). Conditions are already evaluated, but what they exclude is
// still here, so that it is checked too; lower.cc leaves it out of the IR.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "schema/compiler/ast.h"
#include "schema/compiler/ir.h"

namespace davit::schema {

enum class Meta : uint8_t {
  kBuiltin,
  kArray,
  kEnum,
  kStruct,
  kUnion,
  kAlternate,
  kCommand,
  kEvent,
  kDevice,
};

std::string_view MetaName(Meta meta);  // "built-in", "array", "enum", ...

struct TypeRef {
  std::string name;
  bool is_array = false;
};

struct ModelFeature {
  std::string name;
  bool enabled = true;
};

struct Definition;

// A struct member, an argument, an enum value or a branch.
struct ModelMember {
  std::string name;
  TypeRef ref;  // not for enum values
  bool optional = false;
  bool conditional = false;
  bool enabled = true;
  std::vector<ModelFeature> features;
  const Definition* owner = nullptr;        // the (perhaps implicit) definition that has it
  Definition* type = nullptr;               // resolved
  std::optional<std::string> initial = {};  // struct members: `default`
  std::string format = {};                  // struct members
};

struct Definition {
  enum class State : uint8_t { kUnchecked, kChecking, kChecked };

  Meta meta = Meta::kBuiltin;
  std::string name;
  // For an implicit struct: "parameter" or "base member" and the definition that it belongs to.
  bool implicit = false;
  std::string
      text_name;  // the name in schema text: its own, or that of the definition it is part of
  Meta text_meta = Meta::kBuiltin;
  Place place;
  size_t module = 0;
  const DocComment* doc = nullptr;
  bool enabled = true;
  std::vector<ModelFeature> features;

  Builtin builtin = Builtin::kStr;
  std::vector<ModelMember> members;  // struct members or enum values
  std::string prefix;
  std::optional<std::string> base_ref;
  std::string discriminator;
  std::vector<ModelMember> branches;  // union, alternate
  std::optional<TypeRef> arguments_ref;
  std::optional<TypeRef> returns_ref;
  bool boxed = false;
  bool gen = true;
  bool success_response = true;
  bool allow_oob = false;
  bool allow_preconfig = false;
  bool coroutine = false;
  std::vector<std::string> run_states;
  DeviceKeys device;                         // device
  std::vector<std::string> properties_refs;  // device: names of structs

  // Filled by the checker.
  State state = State::kUnchecked;
  Definition* base = nullptr;
  Definition* element = nullptr;
  Definition* arguments = nullptr;
  Definition* returns = nullptr;
  std::vector<Definition*> properties;          // device
  std::vector<const ModelMember*> all_members;  // struct, union: the base's first
  const ModelMember* tag = nullptr;             // union

  bool IsObject() const { return meta == Meta::kStruct || meta == Meta::kUnion; }
  // "command 'stop'": the context of an error about it.
  std::string Context() const;
  // "struct type 'Foo'", "array type ['Foo']".
  std::string Describe() const;
};

// "member 'x'", "parameter 'x'", "branch 'y' of type 'Z'" in an error about `in`.
std::string DescribeMember(const ModelMember& member, std::string_view role, const Definition& in);

inline constexpr size_t kNoModule = static_cast<size_t>(-1);  // of built-in types and arrays

struct Model {
  std::vector<std::unique_ptr<Definition>> definitions;  // in text order, implicit ones first
};

using Defines = std::set<std::string, std::less<>>;

// Context-free checks and conversion of one definition: appends it to the model, after the implicit
// struct of its inline base or arguments if it has one. Raises CompileError.
void ReadDefinition(const TopLevel& item, const Pragmas& pragmas, const Defines& defines,
                    Model& model);

// Resolves names, checks everything that takes more than one definition to see, and connects
// documentation. Appends built-in and array types. Raises CompileError.
void CheckModel(const ParsedSchema& parsed, Model& model);

// The IR of what conditions leave. Raises CompileError when something enabled uses something that
// is not.
Schema LowerModel(const ParsedSchema& parsed, const Model& model);

}  // namespace davit::schema
