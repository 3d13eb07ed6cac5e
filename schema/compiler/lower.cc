// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Checked model -> IR: leaves out what conditions exclude, attaches documentation, puts types in
// an order in which C++ can define them.
#include <fmt/format.h>

#include <map>

#include "schema/compiler/model.h"

namespace davit::schema {
namespace {

std::string ModuleName(const std::string& root, const std::string& path) {
  const size_t slash = root.rfind('/');
  const std::string dir = slash == std::string::npos ? "" : root.substr(0, slash + 1);
  std::string name = path.starts_with(dir) ? path.substr(dir.size()) : path;
  if (name.ends_with(".json")) name.resize(name.size() - 5);
  for (char& c : name) {
    if (c == '/') c = '-';
  }
  return name;
}

class Lowerer {
 public:
  Lowerer(const ParsedSchema& parsed, const Model& model) : parsed_(parsed), model_(model) {}

  Schema Run() {
    for (const SourceFile& file : parsed_.files) {
      auto module = std::make_unique<Module>();
      module->path = file.path;
      module->name = ModuleName(parsed_.files.front().path, file.path);
      schema_.modules.push_back(std::move(module));
    }
    for (const auto& definition : model_.definitions) Allocate(*definition);
    for (const auto& [definition, type] : types_in_order_) Fill(*definition, *type);
    auto definition = model_.definitions.begin();
    for (const TopLevel& item : parsed_.items) {
      if (item.is_doc) {
        AddFreeDoc(item);
        continue;
      }
      while ((*definition)->implicit) AddItem(**definition++);
      AddItem(**definition++);
    }
    Sort();
    return std::move(schema_);
  }

 private:
  static Location Where(const Place& place) {
    return place.file == nullptr ? Location{} : Location{place.file->path, place.line};
  }

  Type* NewType(TypeKind kind, const Definition& definition) {
    schema_.type_storage.push_back(std::make_unique<Type>());
    Type* type = schema_.type_storage.back().get();
    type->kind = kind;
    type->name = definition.name;
    type->implicit = definition.implicit || kind == TypeKind::kArray;
    type->where = Where(definition.place);
    if (definition.module != kNoModule) type->module = schema_.modules[definition.module].get();
    types_[&definition] = type;
    return type;
  }

  // Types are made first, so that references need no order.
  void Allocate(const Definition& definition) {
    if (!definition.enabled) return;
    Type* type = nullptr;
    switch (definition.meta) {
      case Meta::kBuiltin:
        type = NewType(TypeKind::kBuiltin, definition);
        type->builtin = definition.builtin;
        schema_.builtins.push_back(type);
        return;
      case Meta::kEnum:
        type = NewType(TypeKind::kEnum, definition);
        break;
      case Meta::kStruct:
        type = NewType(TypeKind::kStruct, definition);
        if (definition.module == kNoModule) schema_.empty_object = type;
        break;
      case Meta::kUnion:
        type = NewType(TypeKind::kUnion, definition);
        break;
      case Meta::kAlternate:
        type = NewType(TypeKind::kAlternate, definition);
        break;
      default:
        return;
    }
    types_in_order_.emplace_back(&definition, type);
  }

  const Type* Use(const Definition& target, const Definition& from, std::string_view what) {
    if (target.meta == Meta::kArray) {
      const Type* element = Use(*target.element, from, what);
      if (const auto it = types_.find(&target); it != types_.end()) return it->second;
      Type* array = NewType(TypeKind::kArray, target);
      array->element = element;
      array->module = element->module;
      schema_.arrays.push_back(array);
      return array;
    }
    const auto it = types_.find(&target);
    if (it == types_.end()) {
      Raise(from.place, from.Context(),
            fmt::format("{} uses {}, which its 'if' condition excludes", what, target.Describe()));
    }
    if (target.module == kNoModule && target.meta == Meta::kEnum) uses_qtype_ = it->second;
    return it->second;
  }

  static std::vector<Feature> Features(const std::vector<ModelFeature>& features,
                                       const DocComment* doc) {
    std::vector<Feature> out;
    for (const ModelFeature& feature : features) {
      if (!feature.enabled) continue;
      const DocPart* part = doc == nullptr ? nullptr : doc->FindFeature(feature.name);
      out.push_back(Feature{feature.name, part == nullptr ? "" : part->text});
    }
    return out;
  }

  static std::string MemberDoc(const DocComment* doc, const std::string& name) {
    const DocPart* part = doc == nullptr ? nullptr : doc->FindMember(name);
    return part == nullptr ? "" : part->text;
  }

  static Doc LowerDoc(const Definition& definition) {
    Doc doc;
    if (definition.doc == nullptr || definition.implicit) return doc;
    doc.present = true;
    doc.body = definition.doc->body;
    for (const DocPart& part : definition.doc->sections) {
      doc.sections.push_back(DocSection{part.name, part.text});
      if (part.name == "Since") doc.since = part.text;
    }
    return doc;
  }

  Member LowerMember(const ModelMember& member, const Definition& from) {
    const DocComment* doc = member.owner->doc;
    Member out;
    out.name = member.name;
    out.optional = member.optional;
    out.features = Features(member.features, doc);
    out.doc = MemberDoc(doc, member.name);
    out.initial = member.initial;
    out.format = member.format;
    out.type = Use(*member.type, from, DescribeMember(member, "member", from));
    return out;
  }

  void Fill(const Definition& definition, Type& type) {
    type.doc = LowerDoc(definition);
    type.features = Features(definition.features, definition.doc);
    switch (definition.meta) {
      case Meta::kEnum:
        type.prefix = definition.prefix;
        for (const ModelMember& value : definition.members) {
          if (!value.enabled) continue;
          type.values.push_back(EnumValue{value.name, Features(value.features, definition.doc),
                                          MemberDoc(definition.doc, value.name)});
        }
        break;
      case Meta::kStruct:
      case Meta::kUnion:
        FillObject(definition, type);
        break;
      default:
        FillBranches(definition, type);
        break;
    }
  }

  void FillObject(const Definition& definition, Type& type) {
    if (definition.base != nullptr) type.base = Use(*definition.base, definition, "'base'");
    for (const ModelMember* member : definition.all_members) {
      if (!member->enabled) continue;
      if (member == definition.tag) type.discriminator = type.members.size();
      type.members.push_back(LowerMember(*member, definition));
      if (member->owner == &definition) type.own_members.push_back(type.members.back());
    }
    FillBranches(definition, type);
  }

  void FillBranches(const Definition& definition, Type& type) {
    for (const ModelMember& branch : definition.branches) {
      if (!branch.enabled) continue;
      const Type* branch_type =
          Use(*branch.type, definition, fmt::format("branch '{}'", branch.name));
      const bool alternate = definition.meta == Meta::kAlternate;
      type.branches.push_back(Branch{branch.name, branch_type, false,
                                     alternate ? MemberDoc(definition.doc, branch.name) : ""});
    }
  }

  void AddFreeDoc(const TopLevel& item) {
    const DocComment& doc = *item.doc;
    schema_.doc_storage.push_back(
        std::make_unique<FreeDoc>(FreeDoc{doc.heading, doc.title, doc.body, Where(doc.place)}));
    schema_.modules[item.module]->items.emplace_back(schema_.doc_storage.back().get());
  }

  void AddItem(const Definition& definition) {
    if (!definition.enabled) return;
    Module& module = *schema_.modules[definition.module];
    if (definition.meta == Meta::kCommand) return AddCommand(definition, module);
    if (definition.meta == Meta::kEvent) return AddEvent(definition, module);
    if (definition.meta == Meta::kDevice) return AddDevice(definition, module);
    const Type* type = types_.at(&definition);
    module.types.push_back(type);
    if (!definition.implicit) module.items.emplace_back(type);
  }

  const Type* Arguments(const Definition& definition) {
    if (definition.arguments == nullptr) return nullptr;
    return Use(*definition.arguments, definition,
               fmt::format("{}'s 'data'", MetaName(definition.meta)));
  }

  void AddCommand(const Definition& definition, Module& module) {
    schema_.command_storage.push_back(std::make_unique<Command>());
    Command& command = *schema_.command_storage.back();
    command.name = definition.name;
    command.module = &module;
    command.where = Where(definition.place);
    command.doc = LowerDoc(definition);
    command.features = Features(definition.features, definition.doc);
    command.arguments = Arguments(definition);
    if (definition.returns != nullptr) {
      command.returns = Use(*definition.returns, definition, "command's 'returns'");
    }
    if (definition.doc != nullptr) {
      const DocPart* part = definition.doc->FindSection("Returns");
      if (part != nullptr) command.returns_doc = part->text;
    }
    command.boxed = definition.boxed;
    command.gen = definition.gen;
    command.success_response = definition.success_response;
    command.allow_oob = definition.allow_oob;
    command.allow_preconfig = definition.allow_preconfig;
    command.coroutine = definition.coroutine;
    command.run_states = definition.run_states;
    module.commands.push_back(&command);
    module.items.emplace_back(&command);
  }

  void AddEvent(const Definition& definition, Module& module) {
    schema_.event_storage.push_back(std::make_unique<Event>());
    Event& event = *schema_.event_storage.back();
    event.name = definition.name;
    event.module = &module;
    event.where = Where(definition.place);
    event.doc = LowerDoc(definition);
    event.features = Features(definition.features, definition.doc);
    event.arguments = Arguments(definition);
    event.boxed = definition.boxed;
    module.events.push_back(&event);
    module.items.emplace_back(&event);
  }

  void AddDevice(const Definition& definition, Module& module) {
    schema_.device_storage.push_back(std::make_unique<Device>());
    Device& device = *schema_.device_storage.back();
    device.name = definition.name;
    device.module = &module;
    device.where = Where(definition.place);
    device.doc = LowerDoc(definition);
    device.keys = definition.device;
    for (const Definition* properties : definition.properties) {
      device.properties.push_back(
          Use(*properties, definition, fmt::format("'properties' member '{}'", properties->name)));
    }
    module.devices.push_back(&device);
    module.items.emplace_back(&device);
  }

  // --- order of types ------------------------------------------------------------------

  enum class Mark : uint8_t { kNew, kOpen, kDone };

  // The n-th type that `type` holds by value; null after the last. Arrays hold nothing by value.
  static const Type* Held(const Type& type, size_t n) {
    if (n < type.members.size()) return type.members[n].type;
    n -= type.members.size();
    return n < type.branches.size() ? type.branches[n].type : nullptr;
  }

  static void MarkIndirect(Type& type, size_t n) {
    if (n >= type.members.size()) {
      type.branches[n - type.members.size()].indirect = true;
      return;
    }
    type.members[n].indirect = true;
    for (Member& own : type.own_members) {
      if (own.name == type.members[n].name) own.indirect = true;
    }
  }

  // Depth-first, with its own stack: a schema can make the walk as deep as it has types.
  void Sort() {
    std::map<const Type*, Mark> marks;
    if (uses_qtype_ != nullptr) schema_.types.push_back(uses_qtype_);
    for (const auto& [definition, root] : types_in_order_) {
      if (definition->module == kNoModule || marks[root] != Mark::kNew) continue;
      std::vector<std::pair<Type*, size_t>> stack = {{root, 0}};
      marks[root] = Mark::kOpen;
      while (!stack.empty()) {
        auto& [type, next] = stack.back();
        const Type* held = Held(*type, next);
        if (held == nullptr) {
          marks[type] = Mark::kDone;
          schema_.types.push_back(type);
          stack.pop_back();
          continue;
        }
        ++next;
        if (held->kind == TypeKind::kBuiltin || held->kind == TypeKind::kArray ||
            held->module == nullptr) {
          continue;
        }
        Mark& mark = marks[held];
        if (mark == Mark::kOpen) MarkIndirect(*type, next - 1);
        if (mark != Mark::kNew) continue;
        mark = Mark::kOpen;
        stack.emplace_back(const_cast<Type*>(held), 0);
      }
    }
  }

  const ParsedSchema& parsed_;
  const Model& model_;
  Schema schema_;
  std::map<const Definition*, Type*> types_;
  std::vector<std::pair<const Definition*, Type*>> types_in_order_;
  const Type* uses_qtype_ = nullptr;
};

}  // namespace

Schema LowerModel(const ParsedSchema& parsed, const Model& model) {
  return Lowerer(parsed, model).Run();
}

}  // namespace davit::schema
