// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The reference page. The doc comments' markup is reStructuredText as far as QEMU's schemas use
// it; the little in which Markdown differs is translated, the rest passes as it is.
#include "schema/compiler/emit_docs.h"

#include <fmt/format.h>

#include <algorithm>

namespace davit::schema {
namespace {

std::vector<std::string_view> Lines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (;;) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return lines;
    text.remove_prefix(end + 1);
  }
}

std::string Indent(std::string_view text, int columns) {
  const std::string blanks(static_cast<size_t>(columns), ' ');
  std::string out;
  for (const std::string_view line : Lines(text)) {
    if (!out.empty()) out += '\n';
    if (!line.empty()) out.append(blanks).append(line);
  }
  return out;
}

bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// The link to the definition called `name`, or the name as code.
std::string Reference(const Schema& schema, std::string_view name) {
  const Type* type = schema.FindType(name);
  std::string_view kind;
  if (schema.FindCommand(name) != nullptr) kind = "command";
  if (schema.FindEvent(name) != nullptr) kind = "event";
  for (const auto& device : schema.device_storage) {
    if (device->name == name) kind = "device";
  }
  if (type != nullptr && type->module != nullptr && !type->implicit) kind = "type";
  if (kind.empty()) return fmt::format("`{}`", name);
  return fmt::format("[`{0}`](#{1}-{0})", name, kind);
}

// One line outside literal blocks.
std::string LineToMarkdown(const Schema& schema, std::string_view line) {
  std::string out;
  for (size_t i = 0; i < line.size();) {
    if (line[i] == '`') {  // literal: up to the same run of backquotes, untouched
      const size_t run = std::min(line.find_first_not_of('`', i), line.size()) - i;
      const size_t close = line.find(line.substr(i, run), i + run);
      const size_t end = close == std::string_view::npos ? i + run : close + run;
      out += line.substr(i, end - i);
      i = end;
    } else if (line[i] == '@' && (i == 0 || !IsNameChar(line[i - 1]))) {
      size_t end = i + 1;
      while (end < line.size() && IsNameChar(line[end])) ++end;
      out += end == i + 1 ? "@" : Reference(schema, line.substr(i + 1, end - i - 1));
      i = end;
    } else if (line[i] == '<') {
      out += "&lt;";
      ++i;
    } else {
      out += line[i++];
    }
  }
  return out;
}

// A fence that the text does not contain.
std::string Fenced(std::string_view text) {
  std::string fence = "```";
  while (text.find(fence) != std::string_view::npos) fence += '`';
  return fmt::format("{0}\n{1}\n{0}", fence, text);
}

std::string_view KindTitle(TypeKind kind) {
  switch (kind) {
    case TypeKind::kEnum:
      return "Enum";
    case TypeKind::kUnion:
      return "Union";
    case TypeKind::kAlternate:
      return "Alternate";
    default:
      return "Struct";
  }
}

class Page {
 public:
  explicit Page(const Schema& schema) : schema_(schema) {}

  std::string Write() {
    out_ =
        "# QMP reference\n\nGenerated from the QAPI schema, the source of the code that reads and "
        "checks commands.\n";
    Index();
    for (const auto& module : schema_.modules) WriteModule(*module);
    return std::move(out_);
  }

 private:
  void Paragraph(std::string_view text) { out_.append("\n").append(text).append("\n"); }
  std::string Text(std::string_view text) const { return DocTextToMarkdown(schema_, text); }

  std::string TypeText(const Type* type) const {
    if (type->kind == TypeKind::kArray) return "array of " + TypeText(type->element);
    return Reference(schema_, type->name);
  }

  void IndexOf(std::string_view title, std::vector<std::string> names) {
    if (names.empty()) return;
    std::sort(names.begin(), names.end());
    for (std::string& name : names) name = Reference(schema_, name);
    Paragraph(fmt::format("{}: {}", title, fmt::join(names, ", ")));
  }

  void Index() {
    std::vector<std::string> commands, events, devices, types;
    for (const auto& module : schema_.modules) {
      for (const Command* command : module->commands) commands.push_back(command->name);
      for (const Event* event : module->events) events.push_back(event->name);
      for (const Device* device : module->devices) devices.push_back(device->name);
      for (const Type* type : module->types) {
        if (!type->implicit) types.push_back(type->name);
      }
    }
    IndexOf("Commands", std::move(commands));
    IndexOf("Events", std::move(events));
    IndexOf("Devices", std::move(devices));
    IndexOf("Types", std::move(types));
  }

  void WriteModule(const Module& module) {
    const bool titled = !module.items.empty() &&
                        std::holds_alternative<const FreeDoc*>(module.items.front()) &&
                        std::get<const FreeDoc*>(module.items.front())->heading != 0;
    if (!module.items.empty() && !titled) Paragraph("## " + module.name);
    for (const Item& item : module.items) {
      if (const auto* doc = std::get_if<const FreeDoc*>(&item)) {
        WriteFreeDoc(**doc);
      } else if (const auto* type = std::get_if<const Type*>(&item)) {
        WriteType(**type);
      } else if (const auto* command = std::get_if<const Command*>(&item)) {
        WriteCommand(**command);
      } else if (const auto* event = std::get_if<const Event*>(&item)) {
        WriteEvent(**event);
      } else {
        WriteDevice(*std::get<const Device*>(item));
      }
    }
  }

  void WriteFreeDoc(const FreeDoc& doc) {
    if (doc.heading != 0) {
      const int level = std::min(doc.heading + 1, 3);
      Paragraph(fmt::format("{} {}", std::string(static_cast<size_t>(level), '#'), doc.title));
    }
    if (!doc.text.empty()) Paragraph(Text(doc.text));
  }

  void Heading(std::string_view kind, std::string_view anchor, std::string_view name) {
    Paragraph(fmt::format("<a id=\"{}-{}\"></a>\n\n#### {} `{}`", anchor, name, kind, name));
  }

  void WriteCommand(const Command& command) {
    Heading("Command", "command", command.name);
    if (!command.doc.body.empty()) Paragraph(Text(command.doc.body));
    WriteArguments("Arguments", command.arguments, command.boxed);
    std::string returns = command.returns_doc.empty() ? "" : " " + Text(command.returns_doc);
    if (command.returns != nullptr) {
      const std::string separator = returns.empty() ? "" : ":";
      returns = fmt::format(" {}{}{}", TypeText(command.returns), separator, returns);
    } else if (returns.empty()) {
      returns = " nothing";
    }
    Paragraph("Returns" + returns);
    if (!command.run_states.empty()) {
      Paragraph(fmt::format("Allowed in run state: `{}`", fmt::join(command.run_states, "`, `")));
    }
    std::vector<std::string_view> flags;
    if (command.allow_oob) flags.push_back("out-of-band (`exec-oob`)");
    if (command.allow_preconfig) flags.push_back("before the machine is built (`--preconfig`)");
    if (!command.success_response) flags.push_back("without a success response");
    if (!flags.empty()) Paragraph(fmt::format("Runs {}.", fmt::join(flags, ", ")));
    WriteFeatures(command.features);
    WriteSections(command.doc);
  }

  void WriteEvent(const Event& event) {
    Heading("Event", "event", event.name);
    if (!event.doc.body.empty()) Paragraph(Text(event.doc.body));
    WriteArguments("Data", event.arguments, event.boxed);
    WriteFeatures(event.features);
    WriteSections(event.doc);
  }

  void WriteDevice(const Device& device) {
    Heading("Device", "device", device.name);
    if (!device.doc.body.empty()) Paragraph(Text(device.doc.body));
    std::vector<std::string> names = device.keys.variants;
    if (!device.keys.alias.empty()) names.insert(names.begin(), device.keys.alias);
    if (!names.empty()) Paragraph(fmt::format("Also: `{}`", fmt::join(names, "`, `")));
    if (!device.keys.bus.empty()) Paragraph(fmt::format("Bus: `{}`", device.keys.bus));
    if (!device.properties.empty()) {
      Paragraph("Properties:\n");
      for (const Type* type : device.properties) {
        out_ += fmt::format("- the members of {}\n", TypeText(type));
      }
    }
    WriteSections(device.doc);
  }

  void WriteType(const Type& type) {
    Heading(KindTitle(type.kind), "type", type.name);
    if (!type.doc.body.empty()) Paragraph(Text(type.doc.body));
    WriteMembers(type);
    WriteFeatures(type.features);
    WriteSections(type.doc);
  }

  void WriteArguments(std::string_view title, const Type* arguments, bool boxed) {
    if (arguments == nullptr) return;
    if (!arguments->implicit || boxed) {
      Paragraph(fmt::format("{}: the members of {}", title, TypeText(arguments)));
      return;
    }
    Paragraph(fmt::format("{}:\n", title));
    for (const Member& member : arguments->members) WriteMember(member);
  }

  void Bullet(const std::string& head, std::string_view doc) {
    out_ += "- " + head;
    if (!doc.empty()) out_ += ":" + Indent(" " + Text(doc), 2).substr(2);
    out_ += '\n';
  }

  static std::string FeatureNote(const std::vector<Feature>& features) {
    if (features.empty()) return "";
    std::string out;
    for (const Feature& feature : features) {
      out += fmt::format("{}`{}`", out.empty() ? "" : ", ", feature.name);
    }
    return fmt::format("; features: {}", out);
  }

  void WriteMember(const Member& member) {
    // A property that has a default is not "optional" as a member of a command is.
    std::string note = member.optional ? ", optional" : "";
    if (member.initial) note = fmt::format(", default: `{}`", *member.initial);
    Bullet(fmt::format("`{}` ({}{}{})", member.name, TypeText(member.type), note,
                       FeatureNote(member.features)),
           member.doc);
  }

  void WriteMembers(const Type& type) {
    const bool inline_base = type.base != nullptr && type.base->implicit;
    const auto& members = inline_base ? type.members : type.own_members;
    const bool named_base = type.base != nullptr && !inline_base;
    if (!named_base && members.empty() && type.values.empty() && type.branches.empty()) {
      Paragraph("No members.");
      return;
    }
    Paragraph(type.kind == TypeKind::kEnum        ? "Values:\n"
              : type.kind == TypeKind::kAlternate ? "One of:\n"
                                                  : "Members:\n");
    if (named_base) out_ += fmt::format("- the members of {}\n", TypeText(type.base));
    for (const Member& member : members) WriteMember(member);
    for (const EnumValue& value : type.values) {
      Bullet(fmt::format("`{}`{}", value.name, FeatureNote(value.features)), value.doc);
    }
    for (const Branch& branch : type.branches) {
      if (type.kind == TypeKind::kAlternate) {
        Bullet(fmt::format("{} (`{}`)", TypeText(branch.type), branch.name), branch.doc);
      } else if (branch.type != schema_.empty_object) {
        out_ +=
            fmt::format("- when `{}` is `{}`: the members of {}\n",
                        type.members[type.discriminator].name, branch.name, TypeText(branch.type));
      }
    }
  }

  void WriteFeatures(const std::vector<Feature>& features) {
    if (features.empty()) return;
    Paragraph("Features:\n");
    for (const Feature& feature : features) Bullet(fmt::format("`{}`", feature.name), feature.doc);
  }

  void WriteSections(const Doc& doc) {
    for (const DocSection& section : doc.sections) {
      if (section.tag == "Returns" || section.tag == "TODO") continue;
      if (section.tag.empty()) {
        Paragraph(Text(section.text));
      } else if (section.tag.starts_with("Example")) {
        Paragraph(section.tag + ":\n\n" + Fenced(section.text));
      } else {
        Paragraph(fmt::format("{}: {}", section.tag, Text(section.text)));
      }
    }
  }

  const Schema& schema_;
  std::string out_;
};

}  // namespace

std::string DocTextToMarkdown(const Schema& schema, std::string_view text) {
  std::string out;
  const std::vector<std::string_view> lines = Lines(text);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i != 0) out += '\n';
    if (!lines[i].ends_with("::")) {
      out += LineToMarkdown(schema, lines[i]);
      continue;
    }
    std::string_view lead = lines[i].substr(0, lines[i].size() - 2);
    while (lead.ends_with(' ')) lead.remove_suffix(1);
    if (!lead.empty()) out += LineToMarkdown(schema, lead) + ":\n\n";
    const size_t own = lines[i].find_first_not_of(' ');
    std::string block;
    size_t last = i;
    for (size_t k = i + 1; k < lines.size(); ++k) {
      const size_t indent = lines[k].find_first_not_of(' ');
      if (indent == std::string_view::npos) continue;
      if (indent <= own) break;
      for (size_t blank = last + 1; blank < k && !block.empty(); ++blank) block += '\n';
      block.append(lines[k]).push_back('\n');
      last = k;
    }
    if (!block.empty()) block.pop_back();
    out += Fenced(block);
    i = last;
  }
  return out;
}

void EmitDocs(const Schema& schema, const EmitOptions&, OutputFiles& files) {
  files["qmp-reference.md"] = Page(schema).Write();
}

}  // namespace davit::schema
