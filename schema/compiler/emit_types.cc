// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Plain data: everything is a value, members of a base stand first in the struct itself.
// Schema::types has an order in which every type is complete where it is held by value.
#include "schema/compiler/emit_types.h"

#include <fmt/format.h>

#include <algorithm>

#include "schema/compiler/cpp_names.h"

namespace davit::schema {
namespace {

// The initializer of a scalar, so that a default-constructed struct has no garbage.
std::string Initializer(const Member& member) {
  if (member.optional || member.indirect) return "";
  const Type& type = *member.type;
  if (type.kind == TypeKind::kEnum) return "{}";
  if (type.kind != TypeKind::kBuiltin) return "";
  switch (type.builtin) {
    case Builtin::kStr:
    case Builtin::kAny:
      return "";
    case Builtin::kBool:
      return " = false";
    case Builtin::kNull:
      return " = nullptr";
    default:
      return " = 0";
  }
}

void EmitEnum(const Type& type, const CppNames& names, std::string& header, std::string& source) {
  const std::string name = names.TypeName(type);
  header += fmt::format("enum class {} {{\n", name);
  for (const EnumValue& value : type.values) {
    header += fmt::format("  {},\n", ConstantName(value.name));
  }
  header += "};\n";
  header += fmt::format("inline constexpr std::array<std::string_view, {}> k{}Names = {{{{\n",
                        type.values.size(), name);
  for (const EnumValue& value : type.values) header += fmt::format("    \"{}\",\n", value.name);
  header += "}};\n";
  header += fmt::format("const char* ToString({} value);\n", name);
  header += fmt::format("std::optional<{0}> {0}FromString(std::string_view text);\n\n", name);

  source += fmt::format(
      "const char* ToString({0} value) {{\n"
      "  return k{0}Names[static_cast<size_t>(value)].data();\n"
      "}}\n\n",
      name);
  source += fmt::format(
      "std::optional<{0}> {0}FromString(std::string_view text) {{\n"
      "  for (size_t i = 0; i < k{0}Names.size(); ++i) {{\n"
      "    if (k{0}Names[i] == text) return static_cast<{0}>(i);\n"
      "  }}\n"
      "  return std::nullopt;\n"
      "}}\n\n",
      name);
}

// Each C++ type once: several branches may hold the same.
std::string VariantOf(const Type& type, const CppNames& names, bool may_be_empty) {
  std::vector<std::string> alternatives;
  if (may_be_empty) alternatives.push_back("std::monostate");
  for (const Branch& branch : type.branches) {
    const std::string name = names.BranchType(branch);
    if (std::find(alternatives.begin(), alternatives.end(), name) == alternatives.end()) {
      alternatives.push_back(name);
    }
  }
  return fmt::format("std::variant<{}>", fmt::join(alternatives, ", "));
}

void EmitStruct(const Type& type, const CppNames& names, std::string& header) {
  header += fmt::format("struct {} {{\n", names.TypeName(type));
  for (const Member& member : type.members) {
    header += fmt::format("  {} {}{};\n", names.MemberType(member), MemberName(member.name),
                          Initializer(member));
  }
  if (type.kind == TypeKind::kUnion) {
    header += fmt::format("  {} u;  // by {}\n", VariantOf(type, names, true),
                          MemberName(type.members[type.discriminator].name));
  } else if (type.kind == TypeKind::kAlternate) {
    header += fmt::format("  {} u;\n", VariantOf(type, names, false));
  }
  header += "};\n\n";
}

}  // namespace

void EmitTypes(const Schema& schema, const EmitOptions& options, OutputFiles& out) {
  const CppNames names(schema);
  std::string header = FileHead(true) +
                       "#include <array>\n"
                       "#include <cstddef>\n"
                       "#include <cstdint>\n"
                       "#include <optional>\n"
                       "#include <string>\n"
                       "#include <string_view>\n"
                       "#include <variant>\n"
                       "#include <vector>\n\n"
                       "#include \"schema/runtime/box.h\"\n"
                       "#include \"schema/runtime/json/value.h\"\n\n" +
                       OpenNamespace(options.cpp_namespace);
  if (options.cpp_namespace != "davit::qapi") header += "using ::davit::qapi::Box;\n\n";
  std::string source = FileHead(false) +
                       fmt::format("#include \"{}\"\n\n", options.IncludePath("types.h")) +
                       OpenNamespace(options.cpp_namespace);
  // Lists may hold what is not complete yet.
  for (const Type* type : schema.types) {
    if (!names.IsEmitted(*type)) continue;
    const char* key = type->kind == TypeKind::kEnum ? "enum class" : "struct";
    header += fmt::format("{} {};\n", key, names.TypeName(*type));
  }
  header += "\n";
  for (const Type* type : schema.types) {
    if (!names.IsEmitted(*type)) continue;
    if (type->kind == TypeKind::kEnum) {
      EmitEnum(*type, names, header, source);
    } else {
      EmitStruct(*type, names, header);
    }
  }
  out["types.h"] = header + CloseNamespace(options.cpp_namespace);
  out["types.cc"] = source + CloseNamespace(options.cpp_namespace);
}

}  // namespace davit::schema
