// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One function pair a type. Members are read in the order of the schema, so that of several faults
// the same one is reported as by QEMU; members that nothing asked for are the last to be found.
#include "schema/compiler/emit_codecs.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "schema/compiler/cpp_names.h"
#include "schema/runtime/json/member_order.h"

namespace davit::schema {
namespace {

constexpr std::string_view kArguments =
    "Decoder& d, const json::Value& value, std::string_view name, ";

bool IsSize(const Member& member) {
  return member.type->kind == TypeKind::kBuiltin && member.type->builtin == Builtin::kSize;
}

std::string ReadMember(const Member& member) {
  const std::string target = "out." + MemberName(member.name);
  if (IsSize(member)) {
    if (member.optional) {
      return fmt::format("DecodeOptionalSize(d, object, \"{}\", {})", member.name, target);
    }
    return fmt::format("DecodeRequired(d, object, \"{}\", SizeRef{{{}}})", member.name, target);
  }
  return fmt::format("{}(d, object, \"{}\", {})",
                     member.optional ? "DecodeOptional" : "DecodeRequired", member.name, target);
}

// "a &&\n         b" of all members, "true" without any.
std::string ReadMembers(const Type& type, std::string_view indent) {
  std::string text;
  for (const Member& member : type.members) {
    if (!text.empty()) text += fmt::format(" &&\n{}", indent);
    text += ReadMember(member);
  }
  return text.empty() ? "true" : text;
}

class CodecEmitter {
 public:
  CodecEmitter(const CppNames& names, std::string& header, std::string& source)
      : names_(names), header_(header), source_(source) {}

  void Enum(const Type& type) {
    const std::string name = names_.TypeName(type);
    header_ += fmt::format("bool DecodeValue({}{}& out);\n", kArguments, name);
    header_ += fmt::format("json::Value Encode({} value);\n\n", name);
    source_ += fmt::format(
        "bool DecodeValue({0}{1}& out) {{\n"
        "  size_t index = 0;\n"
        "  if (!d.ReadEnum(value, name, k{1}Names, index)) return false;\n"
        "  out = static_cast<{1}>(index);\n"
        "  return true;\n"
        "}}\n\n",
        kArguments, name);
    source_ += fmt::format("json::Value Encode({} value) {{ return ToString(value); }}\n\n", name);
  }

  void Object(const Type& type) {
    const std::string name = names_.TypeName(type);
    header_ += fmt::format("bool DecodeMembers(Decoder& d, ObjectScope& object, {}& out);\n", name);
    header_ += fmt::format("bool DecodeValue({}{}& out);\n", kArguments, name);
    header_ += fmt::format("void EncodeMembers(const {}& value, json::Object& object);\n", name);
    header_ += fmt::format("json::Value Encode(const {}& value);\n\n", name);
    DecodeMembers(type, name);
    source_ += fmt::format(
        "bool DecodeValue({}{}& out) {{\n"
        "  ObjectScope object(d, value, name);\n"
        "  return object && DecodeMembers(d, object, out) && object.Finish();\n"
        "}}\n\n",
        kArguments, name);
    EncodeMembers(type, name);
    source_ += fmt::format(
        "json::Value Encode(const {}& value) {{\n"
        "  json::Object object;\n"
        "  EncodeMembers(value, object);\n"
        "  return object;\n"
        "}}\n\n",
        name);
  }

  void Alternate(const Type& type) {
    const std::string name = names_.TypeName(type);
    header_ += fmt::format("bool DecodeValue({}{}& out);\n", kArguments, name);
    header_ += fmt::format("json::Value Encode(const {}& value);\n\n", name);
    source_ += fmt::format("bool DecodeValue({}{}& out) {{\n", kArguments, name);
    for (const Branch& branch : type.branches) {
      const std::string cpp = names_.BranchType(branch);
      source_ += fmt::format(
          "  if (value.{}()) {{\n"
          "    return DecodeValue(d, value, name, out.u.emplace<{}>());\n"
          "  }}\n",
          JsonTest(*branch.type), cpp);
    }
    source_ += fmt::format("  return d.FailAlternate(name, \"{}\");\n}}\n\n", type.name);
    source_ += fmt::format(
        "json::Value Encode(const {}& value) {{\n"
        "  return std::visit([](const auto& u) {{ return Encode(u); }}, value.u);\n"
        "}}\n\n",
        name);
  }

 private:
  void DecodeMembers(const Type& type, const std::string& name) {
    const bool plain = type.members.empty() && type.kind != TypeKind::kUnion;
    source_ += fmt::format("bool DecodeMembers(Decoder&{}, ObjectScope&{}, {}&{}) {{\n",
                           plain ? "" : " d", plain ? "" : " object", name, plain ? "" : " out");
    if (type.kind != TypeKind::kUnion) {
      source_ += fmt::format("  return {};\n}}\n\n", ReadMembers(type, "         "));
      return;
    }
    source_ += fmt::format("  const bool base = {};\n  if (!base) return false;\n",
                           ReadMembers(type, "                    "));
    const Member& tag = type.members[type.discriminator];
    source_ += fmt::format("  switch (out.{}) {{\n", MemberName(tag.name));
    for (const Branch& branch : type.branches) {
      const std::string cpp = names_.BranchType(branch);
      if (cpp == "std::monostate") continue;
      source_ += fmt::format(
          "    case {}::{}:\n"
          "      return DecodeMembers(d, object, {}out.u.emplace<{}>());\n",
          names_.TypeName(*tag.type), ConstantName(branch.name), branch.indirect ? "*" : "", cpp);
    }
    source_ +=
        "    default:\n      out.u.emplace<std::monostate>();\n      return true;\n  }\n}\n\n";
  }

  void EncodeMembers(const Type& type, const std::string& name) {
    const bool plain = type.members.empty() && type.kind != TypeKind::kUnion;
    source_ += fmt::format("void EncodeMembers(const {}&{}, json::Object&{}) {{\n", name,
                           plain ? "" : " value", plain ? "" : " object");
    // Before the base's: within a bucket the last added stands first.
    std::set<std::string> done{"std::monostate"};
    for (const Branch& branch : type.branches) {
      const std::string cpp = names_.BranchType(branch);
      if (!done.insert(cpp).second) continue;
      source_ += fmt::format(
          "  if (const auto* u = std::get_if<{}>(&value.u)) {{\n"
          "    EncodeMembers({}, object);\n"
          "  }}\n",
          cpp, branch.indirect ? "**u" : "*u");
    }
    for (const Member* member : InWireOrder(type.members)) {
      const std::string cpp = MemberName(member->name);
      if (member->optional) {
        source_ += fmt::format("  EncodeOptional(object, \"{}\", value.{});\n", member->name, cpp);
      } else {
        source_ += fmt::format("  object.Append(\"{}\", Encode(value.{}));\n", member->name, cpp);
      }
    }
    if (!type.branches.empty()) source_ += "  json::OrderMembers(object);\n";
    source_ += "}\n\n";
  }

  // The order in which QEMU prints the members (schema/runtime/json/member_order.h).
  static std::vector<const Member*> InWireOrder(const std::vector<Member>& members) {
    std::vector<const Member*> order;
    for (auto it = members.rbegin(); it != members.rend(); ++it) order.push_back(&*it);
    std::stable_sort(order.begin(), order.end(), [](const Member* a, const Member* b) {
      return json::MemberBucket(a->name) < json::MemberBucket(b->name);
    });
    return order;
  }

  static const char* JsonTest(const Type& type) {
    switch (type.kind) {
      case TypeKind::kArray:
        return "is_array";
      case TypeKind::kEnum:
        return "is_string";
      case TypeKind::kBuiltin:
        break;
      default:
        return "is_object";
    }
    switch (type.builtin) {
      case Builtin::kStr:
        return "is_string";
      case Builtin::kBool:
        return "is_bool";
      case Builtin::kNull:
        return "is_null";
      default:
        return "is_number";
    }
  }

  const CppNames& names_;
  std::string& header_;
  std::string& source_;
};

}  // namespace

void EmitCodecs(const Schema& schema, const EmitOptions& options, OutputFiles& out) {
  const CppNames names(schema);
  std::string header =
      FileHead(true) + fmt::format("#include \"{}\"\n", options.IncludePath("types.h")) +
      "#include \"schema/runtime/codec.h\"\n\n" + OpenNamespace(options.cpp_namespace);
  if (options.cpp_namespace != "davit::qapi") {
    for (const char* name : {"Decode", "DecodeMode", "DecodeNothing", "DecodeObject",
                             "DecodeOptional", "DecodeOptionalSize", "Decoder", "DecodeRequired",
                             "DecodeValue", "Encode", "EncodeOptional", "ObjectScope", "SizeRef"}) {
      header += fmt::format("using ::davit::qapi::{};\n", name);
    }
    header += "\n";
  }
  std::string source =
      FileHead(false) + fmt::format("#include \"{}\"\n\n", options.IncludePath("codecs.h")) +
      "#include \"schema/runtime/json/member_order.h\"\n\n" + OpenNamespace(options.cpp_namespace);
  CodecEmitter emitter(names, header, source);
  for (const Type* type : schema.types) {
    if (!names.IsEmitted(*type)) continue;
    switch (type->kind) {
      case TypeKind::kEnum:
        emitter.Enum(*type);
        break;
      case TypeKind::kAlternate:
        emitter.Alternate(*type);
        break;
      default:
        emitter.Object(*type);
    }
  }
  out["codecs.h"] = header + CloseNamespace(options.cpp_namespace);
  out["codecs.cc"] = source + CloseNamespace(options.cpp_namespace);
}

}  // namespace davit::schema
