// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Look-up in the IR, and its text form.
#include "schema/compiler/ir.h"

#include <fmt/format.h>

#include <algorithm>

namespace davit::schema {
namespace {

template <typename T>
const T* FindByName(const std::vector<std::unique_ptr<T>>& storage, std::string_view name) {
  const auto it = std::find_if(storage.begin(), storage.end(),
                               [name](const auto& item) { return item->name == name; });
  return it == storage.end() ? nullptr : it->get();
}

std::string TypeName(const Type* type) {
  if (type == nullptr) return "-";
  return type->kind == TypeKind::kArray ? fmt::format("[{}]", type->element->name) : type->name;
}

class Dumper {
 public:
  std::string Dump(const Schema& schema) {
    for (const auto& module : schema.modules) DumpModule(*module);
    out_ += "types";
    for (const Type* type : schema.types) out_ += " " + type->name;
    out_ += "\narrays";
    for (const Type* type : schema.arrays) out_ += " " + TypeName(type);
    out_ += '\n';
    return std::move(out_);
  }

 private:
  void Line(int indent, const std::string& text) {
    out_.append(static_cast<size_t>(indent) * 4, ' ').append(text).push_back('\n');
  }

  void DumpText(int indent, std::string_view what, std::string_view text) {
    if (text.empty()) return;
    std::string line(what);
    size_t start = 0;
    for (size_t end; (end = text.find('\n', start)) != std::string_view::npos; start = end + 1) {
      Line(indent, line.append(" |").append(text.substr(start, end - start)));
      line.assign(what.size(), ' ');
    }
    Line(indent, line.append(" |").append(text.substr(start)));
  }

  void DumpDoc(const Doc& doc) {
    if (!doc.present) return;
    Line(1, "doc");
    DumpText(2, "body", doc.body);
    for (const DocSection& section : doc.sections) {
      DumpText(2, "section " + section.tag, section.text);
    }
  }

  void DumpFeatures(int indent, const std::vector<Feature>& features) {
    for (const Feature& feature : features) {
      Line(indent, "feature " + feature.name);
      DumpText(indent + 1, "doc", feature.doc);
    }
  }

  void DumpMember(std::string_view what, const Member& member) {
    Line(1, fmt::format("{} {}: {}{}{}", what, member.name, TypeName(member.type),
                        member.optional ? " optional" : "", member.indirect ? " indirect" : ""));
    if (member.initial) Line(2, "default " + *member.initial);
    if (!member.format.empty()) Line(2, "format " + member.format);
    DumpText(2, "doc", member.doc);
    DumpFeatures(2, member.features);
  }

  void DumpType(const Type& type) {
    constexpr const char* kKinds[] = {"builtin", "enum", "array", "struct", "union", "alternate"};
    Line(0, fmt::format("{} {}{}", kKinds[static_cast<size_t>(type.kind)], type.name,
                        type.implicit ? " implicit" : ""));
    if (type.base != nullptr) Line(1, "base " + type.base->name);
    if (!type.prefix.empty()) Line(1, "prefix " + type.prefix);
    if (type.kind == TypeKind::kUnion) {
      Line(1, "discriminator " + type.members[type.discriminator].name);
    }
    DumpDoc(type.doc);
    DumpFeatures(1, type.features);
    for (const EnumValue& value : type.values) {
      Line(1, "value " + value.name);
      DumpText(2, "doc", value.doc);
      DumpFeatures(2, value.features);
    }
    for (const Member& member : type.members) {
      const bool own = std::any_of(type.own_members.begin(), type.own_members.end(),
                                   [&](const Member& m) { return m.name == member.name; });
      DumpMember(own ? "member" : "base-member", member);
    }
    for (const Branch& branch : type.branches) {
      Line(1, fmt::format("branch {}: {}{}", branch.name, TypeName(branch.type),
                          branch.indirect ? " indirect" : ""));
      DumpText(2, "doc", branch.doc);
    }
  }

  void DumpCommand(const Command& command) {
    Line(0, fmt::format("command {} {} -> {}", command.name, TypeName(command.arguments),
                        TypeName(command.returns)));
    std::string flags;
    if (command.boxed) flags += " boxed";
    if (!command.gen) flags += " gen=false";
    if (!command.success_response) flags += " success-response=false";
    if (command.allow_oob) flags += " allow-oob";
    if (command.allow_preconfig) flags += " allow-preconfig";
    if (command.coroutine) flags += " coroutine";
    if (!flags.empty()) Line(1, "flags" + flags);
    if (!command.run_states.empty()) {
      Line(1, fmt::format("run-states {}", fmt::join(command.run_states, " ")));
    }
    DumpDoc(command.doc);
    DumpFeatures(1, command.features);
  }

  void DumpEvent(const Event& event) {
    Line(0, fmt::format("event {} {}{}", event.name, TypeName(event.arguments),
                        event.boxed ? " boxed" : ""));
    DumpDoc(event.doc);
    DumpFeatures(1, event.features);
  }

  void DumpDevice(const Device& device) {
    const std::string& bus = device.keys.bus;
    Line(0, fmt::format("device {}{}, {}", device.name, bus.empty() ? "" : " on " + bus,
                        device.keys.category));
    if (!device.keys.alias.empty()) Line(1, "alias " + device.keys.alias);
    if (!device.keys.desc.empty()) Line(1, "desc " + device.keys.desc);
    if (!device.keys.parent.empty()) Line(1, "parent " + device.keys.parent);
    for (const std::string& variant : device.keys.variants) Line(1, "variant " + variant);
    for (const Type* type : device.properties) Line(1, "properties " + type->name);
    DumpDoc(device.doc);
  }

  void DumpModule(const Module& module) {
    Line(0, fmt::format("module {} ({})", module.name, module.path));
    for (const Type* type : module.types) {
      if (type->implicit) DumpType(*type);
    }
    for (const Item& item : module.items) {
      if (const auto* doc = std::get_if<const FreeDoc*>(&item)) {
        Line(0, fmt::format("text heading={} {}", (*doc)->heading, (*doc)->title));
        DumpText(1, "body", (*doc)->text);
      } else if (const auto* type = std::get_if<const Type*>(&item)) {
        DumpType(**type);
      } else if (const auto* command = std::get_if<const Command*>(&item)) {
        DumpCommand(**command);
      } else if (const auto* event = std::get_if<const Event*>(&item)) {
        DumpEvent(**event);
      } else {
        DumpDevice(*std::get<const Device*>(item));
      }
    }
  }

  std::string out_;
};

}  // namespace

const Type* Schema::FindType(std::string_view name) const { return FindByName(type_storage, name); }

const Command* Schema::FindCommand(std::string_view name) const {
  return FindByName(command_storage, name);
}

const Event* Schema::FindEvent(std::string_view name) const {
  return FindByName(event_storage, name);
}

std::string DumpSchema(const Schema& schema) { return Dumper().Dump(schema); }

}  // namespace davit::schema
