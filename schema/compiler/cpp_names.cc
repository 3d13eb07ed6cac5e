// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Spelling rules. See cpp_names.h.
#include "schema/compiler/cpp_names.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace davit::schema {
namespace {

// Sorted. All keywords of C++20 that can be a QAPI name, and names that the generated code needs.
constexpr auto kReserved = std::to_array<std::string_view>({"alignas",
                                                            "alignof",
                                                            "and",
                                                            "and_eq",
                                                            "asm",
                                                            "auto",
                                                            "bitand",
                                                            "bitor",
                                                            "bool",
                                                            "break",
                                                            "case",
                                                            "catch",
                                                            "char",
                                                            "char16_t",
                                                            "char32_t",
                                                            "char8_t",
                                                            "class",
                                                            "co_await",
                                                            "co_return",
                                                            "co_yield",
                                                            "compl",
                                                            "concept",
                                                            "const",
                                                            "const_cast",
                                                            "consteval",
                                                            "constexpr",
                                                            "constinit",
                                                            "continue",
                                                            "decltype",
                                                            "default",
                                                            "delete",
                                                            "do",
                                                            "double",
                                                            "dynamic_cast",
                                                            "else",
                                                            "enum",
                                                            "errno",
                                                            "explicit",
                                                            "export",
                                                            "extern",
                                                            "false",
                                                            "float",
                                                            "for",
                                                            "friend",
                                                            "goto",
                                                            "if",
                                                            "inline",
                                                            "int",
                                                            "linux",
                                                            "long",
                                                            "mutable",
                                                            "namespace",
                                                            "new",
                                                            "noexcept",
                                                            "not",
                                                            "not_eq",
                                                            "nullptr",
                                                            "operator",
                                                            "or",
                                                            "or_eq",
                                                            "private",
                                                            "protected",
                                                            "public",
                                                            "register",
                                                            "reinterpret_cast",
                                                            "requires",
                                                            "return",
                                                            "short",
                                                            "signed",
                                                            "sizeof",
                                                            "static",
                                                            "static_assert",
                                                            "static_cast",
                                                            "struct",
                                                            "switch",
                                                            "template",
                                                            "this",
                                                            "thread_local",
                                                            "throw",
                                                            "true",
                                                            "try",
                                                            "typedef",
                                                            "typeid",
                                                            "typename",
                                                            "u",
                                                            "union",
                                                            "unix",
                                                            "unsigned",
                                                            "using",
                                                            "virtual",
                                                            "void",
                                                            "volatile",
                                                            "wchar_t",
                                                            "while",
                                                            "xor",
                                                            "xor_eq"});
static_assert(std::is_sorted(kReserved.begin(), kReserved.end()));

bool IsSeparator(char c) { return c == '-' || c == '_' || c == '.'; }
bool IsUpper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }
bool IsLower(char c) { return std::islower(static_cast<unsigned char>(c)) != 0; }
char ToUpper(char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }
char ToLower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

const char* BuiltinName(Builtin builtin) {
  switch (builtin) {
    case Builtin::kStr:
      return "std::string";
    case Builtin::kNumber:
      return "double";
    case Builtin::kInt:
    case Builtin::kInt64:
      return "int64_t";
    case Builtin::kInt8:
      return "int8_t";
    case Builtin::kInt16:
      return "int16_t";
    case Builtin::kInt32:
      return "int32_t";
    case Builtin::kUint8:
      return "uint8_t";
    case Builtin::kUint16:
      return "uint16_t";
    case Builtin::kUint32:
      return "uint32_t";
    case Builtin::kUint64:
    case Builtin::kSize:
      return "uint64_t";
    case Builtin::kBool:
      return "bool";
    case Builtin::kNull:
      return "std::nullptr_t";
    case Builtin::kAny:
      return "json::Value";
  }
  return "";
}

}  // namespace

std::string CamelCase(std::string_view name) {
  std::string out;
  for (size_t begin = 0; begin < name.size();) {
    if (IsSeparator(name[begin])) {
      ++begin;
      continue;
    }
    size_t end = begin;
    while (end < name.size() && !IsSeparator(name[end])) ++end;
    const std::string_view word = name.substr(begin, end - begin);
    // A word in capitals is lowered ("GUEST"), one of mixed case keeps its shape ("RunState").
    const bool capitals =
        word.size() > 1 && std::none_of(word.begin(), word.end(), IsLower) && IsUpper(word[0]);
    out += ToUpper(word[0]);
    for (const char c : word.substr(1)) out += capitals ? ToLower(c) : c;
    begin = end;
  }
  return out;
}

std::string MemberName(std::string_view name) {
  std::string out;
  for (const char c : name) out += IsSeparator(c) ? '_' : c;
  if (!out.empty() && std::isdigit(static_cast<unsigned char>(out[0])) != 0) out.insert(0, "q_");
  if (std::binary_search(kReserved.begin(), kReserved.end(), out)) out += '_';
  return out;
}

std::string ConstantName(std::string_view name) { return "k" + CamelCase(name); }

CppNames::CppNames(const Schema& schema, std::string_view cpp_namespace) {
  if (!cpp_namespace.empty()) qualifier_ = std::string(cpp_namespace) + "::";
  for (const auto& module : schema.modules) {
    for (const Command* command : module->commands) {
      functions_.insert(CamelCase(command->name));
      if (command->arguments != nullptr && command->arguments->implicit) {
        implicit_[command->arguments] = CamelCase(command->name) + "Args";
      }
    }
    for (const Event* event : module->events) {
      functions_.insert(CamelCase(event->name));
      if (event->arguments != nullptr && event->arguments->implicit) {
        implicit_[event->arguments] = CamelCase(event->name) + "EventArgs";
      }
    }
  }
}

bool CppNames::IsEmitted(const Type& type) const {
  if (type.kind == TypeKind::kBuiltin || type.kind == TypeKind::kArray) return false;
  if (type.kind == TypeKind::kStruct && type.implicit) {
    return implicit_.count(&type) != 0 && !type.IsEmptyObject();
  }
  return true;
}

std::string CppNames::TypeName(const Type& type) const {
  if (type.kind == TypeKind::kBuiltin) return BuiltinName(type.builtin);
  if (type.kind == TypeKind::kArray) return "std::vector<" + TypeName(*type.element) + ">";
  const auto it = implicit_.find(&type);
  if (it != implicit_.end()) return it->second;
  std::string name = type.name;
  std::replace_if(name.begin(), name.end(), IsSeparator, '_');
  return functions_.contains(name) ? qualifier_ + name : name;
}

std::string CppNames::MemberType(const Member& member) const {
  std::string name = TypeName(*member.type);
  if (member.indirect) name = "Box<" + name + ">";
  return member.optional ? "std::optional<" + name + ">" : name;
}

std::string CppNames::BranchType(const Branch& branch) const {
  if (branch.type == nullptr || (branch.type->implicit && branch.type->IsEmptyObject())) {
    return "std::monostate";
  }
  const std::string name = TypeName(*branch.type);
  return branch.indirect ? "Box<" + name + ">" : name;
}

std::string CppNames::ArgumentsName(const Type* arguments) const {
  if (arguments == nullptr || (arguments->implicit && arguments->IsEmptyObject())) return "";
  return TypeName(*arguments);
}

std::string CppNames::Arguments(const Command& command) const {
  return command.gen ? ArgumentsName(command.arguments) : "json::Object";
}

std::string CppNames::Arguments(const Event& event) const { return ArgumentsName(event.arguments); }

std::string CppNames::Returns(const Command& command) const {
  if (!command.gen) return "json::Value";
  if (command.returns == nullptr) return "void";
  if (command.returns->implicit && command.returns->IsEmptyObject()) return "void";
  return TypeName(*command.returns);
}

std::string OpenNamespace(std::string_view name) {
  return "namespace " + std::string(name) + " {\n\n";
}

std::string CloseNamespace(std::string_view name) {
  return "}  // namespace " + std::string(name) + "\n";
}

std::string FileHead(bool header) {
  std::string head = "// Made by qapi-compiler from the schema. Do not edit.\n";
  if (header) head += "#pragma once\n";
  return head + "\n";
}

}  // namespace davit::schema
