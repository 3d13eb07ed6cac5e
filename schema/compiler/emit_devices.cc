// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One array of properties a device, sorted by name, and one table of drivers over them. A property
// that a driver shares with the device on a virtio-bus behind it belongs to that one in messages.
// The same for objects: the branches of union ObjectOptions.
#include "schema/compiler/emit_devices.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "schema/compiler/cpp_names.h"

namespace davit::schema {
namespace {

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// Up to the first full stop that ends a sentence, as one line.
std::string FirstSentence(std::string_view text) {
  std::string line;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool blank = text[i] == '\n' || text[i] == ' ';
    if (!blank) {
      const bool last = i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\n';
      if (text[i] == '.' && last) break;
      if (text[i] != '@') line += text[i];
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  return line;
}

const char* KindOf(const Member& member) {
  if (member.format == "pci-address") return "kPciAddress";
  if (member.format == "mac") return "kMac";
  if (!member.format.empty()) return "kLink";
  if (member.type->kind == TypeKind::kEnum) return "kEnum";
  switch (member.type->builtin) {
    case Builtin::kBool:
      return "kBool";
    case Builtin::kUint8:
      return "kUint8";
    case Builtin::kUint16:
      return "kUint16";
    case Builtin::kUint32:
      return "kUint32";
    case Builtin::kUint64:
      return "kUint64";
    case Builtin::kSize:
      return "kSize";
    case Builtin::kInt32:
      return "kInt32";
    case Builtin::kInt:
    case Builtin::kInt64:
      return "kInt64";
    default:
      return "kString";
  }
}

// How QEMU names the type of an object's property.
std::string ObjectPropertyType(const Type& type) {
  if (type.kind == TypeKind::kArray) return ObjectPropertyType(*type.element);
  if (type.kind != TypeKind::kBuiltin) return type.name;
  if (type.builtin == Builtin::kBool) return "bool";
  return type.builtin == Builtin::kStr ? "string" : "int";
}

class Table {
 public:
  explicit Table(const Schema& schema) : schema_(schema), names_(schema) {}

  // The arrays of properties, then the rows.
  std::string Write() {
    std::string arrays;
    std::map<std::string, std::string> rows;  // by driver: the table is sorted
    for (const auto& device : schema_.device_storage) {
      arrays += Properties(*device);
      rows[device->name] = Row(*device, device->name, device->keys.alias);
      for (const std::string& name : device->keys.variants) rows[name] = Row(*device, name, "");
    }
    std::string table;
    for (const auto& [name, row] : rows) table += row;
    return WriteTable("DeviceType", arrays, table);
  }

  // The same of objects.
  std::string WriteObjects() const {
    std::string arrays, rows;
    const Type* const options = schema_.FindType("ObjectOptions");
    if (options != nullptr && options->kind == TypeKind::kUnion) {
      for (const Branch& branch : options->branches) {
        const std::vector<Member>& members = branch.type->members;
        const std::string array = fmt::format("k{}Properties", CamelCase(branch.name));
        rows +=
            fmt::format("    {{{}, {}}},\n", Quoted(branch.name), members.empty() ? "{}" : array);
        if (members.empty()) continue;
        arrays += fmt::format("constexpr ObjectProperty {}[] = {{\n", array);
        for (const Member& member : members) {
          arrays += fmt::format(
              "    {{{}, {},\n     {}}},\n", Quoted(member.name),
              Quoted(member.format.empty() ? ObjectPropertyType(*member.type) : member.format),
              Quoted(FirstSentence(member.doc)));
        }
        arrays += "};\n\n";
      }
    }
    return WriteTable("ObjectKind", arrays, rows);
  }

 private:
  static std::string WriteTable(std::string_view type, const std::string& arrays,
                                const std::string& rows) {
    if (rows.empty())
      return fmt::format("std::span<const {0}> {0}s() {{ return {{}}; }}\n\n", type);
    return fmt::format(
        "namespace {{\n\n{1}constexpr {0} k{0}s[] = {{\n{2}}};\n\n}}  // namespace\n\n"
        "std::span<const {0}> {0}s() {{ return k{0}s; }}\n\n",
        type, arrays, rows);
  }

  static std::string ArrayName(const Device& device) {
    return fmt::format("k{}Properties", CamelCase(device.name));
  }

  std::string Owner(const Device& device, const Type& properties) const {
    for (const auto& other : schema_.device_storage) {
      const auto& have = other->properties;
      if (other->keys.bus == "virtio-bus" &&
          std::find(have.begin(), have.end(), &properties) != have.end()) {
        return other->name;
      }
    }
    return device.name;
  }

  std::string Properties(const Device& device) const {
    std::vector<std::pair<const Member*, const Type*>> members;
    for (const Type* type : device.properties) {
      for (const Member& member : type->members) members.emplace_back(&member, type);
    }
    if (members.empty()) return "";
    std::sort(members.begin(), members.end(),
              [](const auto& a, const auto& b) { return a.first->name < b.first->name; });
    std::string text = fmt::format("constexpr DeviceProperty {}[] = {{\n", ArrayName(device));
    for (const auto& [member, type] : members) {
      const std::string& type_name =
          member->format.starts_with("link<") ? member->format : member->type->name;
      const std::string values = member->type->kind == TypeKind::kEnum
                                     ? fmt::format("k{}Names", names_.TypeName(*member->type))
                                     : "{}";
      text += fmt::format("    {{{}, PropertyKind::{}, {},\n     {},\n     {}, {}, {}}},\n",
                          Quoted(member->name), KindOf(*member), Quoted(type_name),
                          Quoted(FirstSentence(member->doc)),
                          member->initial ? Quoted(*member->initial) : "std::nullopt",
                          Quoted(Owner(device, *type)), values);
    }
    return text + "};\n\n";
  }

  static std::string Row(const Device& device, const std::string& name, const std::string& alias) {
    const bool none = std::all_of(device.properties.begin(), device.properties.end(),
                                  [](const Type* type) { return type->members.empty(); });
    return fmt::format("    {{{}, {}, {}, {}, {}, {}, {}}},\n", Quoted(name), Quoted(alias),
                       Quoted(device.keys.bus), Quoted(device.keys.category),
                       Quoted(device.keys.desc), Quoted(device.keys.parent),
                       none ? "{}" : ArrayName(device));
  }

  const Schema& schema_;
  const CppNames names_;
};

}  // namespace

void EmitDevices(const Schema& schema, const EmitOptions& options, OutputFiles& out) {
  std::string header = FileHead(true) +
                       "#include <span>\n\n#include \"schema/runtime/device_type.h\"\n\n" +
                       OpenNamespace(options.cpp_namespace);
  std::string source =
      FileHead(false) +
      fmt::format("#include \"{}\"\n\n#include \"{}\"\n\n", options.IncludePath("devices.h"),
                  options.IncludePath("types.h")) +
      OpenNamespace(options.cpp_namespace);
  if (options.cpp_namespace != "davit::qapi") {
    header += "using ::davit::qapi::DeviceType;\nusing ::davit::qapi::ObjectKind;\n\n";
    source +=
        "using ::davit::qapi::DeviceProperty;\nusing ::davit::qapi::ObjectProperty;\n"
        "using ::davit::qapi::PropertyKind;\n\n";
  }
  header +=
      "// Every driver, sorted by name.\nstd::span<const DeviceType> DeviceTypes();\n"
      "// What object-add makes.\nstd::span<const ObjectKind> ObjectKinds();\n\n";
  out["devices.h"] = header + CloseNamespace(options.cpp_namespace);
  out["devices.cc"] = source + Table(schema).Write() + Table(schema).WriteObjects() +
                      CloseNamespace(options.cpp_namespace);
}

}  // namespace davit::schema
