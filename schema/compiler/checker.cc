// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The checks that need the whole schema: names resolve, types fit their use, members do not collide
// (in identifier form), documentation and definitions agree.
#include <fmt/format.h>

#include <array>
#include <map>

#include "schema/compiler/model.h"
#include "schema/compiler/names.h"
#include "schema/compiler/property_check.h"

namespace davit::schema {
namespace {

constexpr int kMaxInheritance = 200;

constexpr std::array<std::string_view, 15> kBuiltinNames = {
    "str",    "number", "int",    "int8", "int16", "int32", "int64", "uint8",
    "uint16", "uint32", "uint64", "size", "bool",  "null",  "any",
};

using Seen = std::map<std::string, const ModelMember*>;  // by identifier

// The JSON type by which an alternate tells its branches apart; '\0' when it cannot be told.
char WireKind(const Definition& type) {
  switch (type.meta) {
    case Meta::kArray:
      return '[';
    case Meta::kEnum:
      return '"';
    case Meta::kStruct:
    case Meta::kUnion:
      return '{';
    case Meta::kBuiltin:
      break;
    default:
      return '\0';
  }
  switch (type.builtin) {
    case Builtin::kStr:
      return '"';
    case Builtin::kBool:
      return 'b';
    case Builtin::kNull:
      return '0';
    case Builtin::kAny:
      return '\0';
    default:
      return '#';
  }
}

class Checker {
 public:
  Checker(const ParsedSchema& parsed, Model& model) : parsed_(parsed), model_(model) {}

  void Run() {
    const size_t user_definitions = model_.definitions.size();
    AddPredefined();
    for (size_t i = 0; i < user_definitions; ++i) Define(*model_.definitions[i]);
    for (size_t i = 0; i < user_definitions; ++i) {
      Definition& definition = *model_.definitions[i];
      Check(definition);
      if (!definition.implicit && definition.doc != nullptr) CheckDoc(definition);
    }
  }

 private:
  void AddPredefined() {
    for (size_t i = 0; i < kBuiltinNames.size(); ++i) {
      Definition& type = Add(Meta::kBuiltin, std::string(kBuiltinNames[i]));
      type.builtin = static_cast<Builtin>(i);
    }
    empty_ = &Add(Meta::kStruct, "q_empty");
    empty_->implicit = true;
    Definition& qtype = Add(Meta::kEnum, "QType");
    for (const char* name : {"none", "qnull", "qnum", "qstring", "qdict", "qlist", "qbool"}) {
      qtype.members.push_back(ModelMember{name, {}, false, false, true, {}, &qtype, nullptr});
    }
  }

  Definition& Add(Meta meta, std::string name) {
    model_.definitions.push_back(std::make_unique<Definition>());
    Definition& definition = *model_.definitions.back();
    definition.meta = definition.text_meta = meta;
    definition.name = definition.text_name = name;
    definition.module = kNoModule;
    definition.state = Definition::State::kChecked;
    table_[std::move(name)] = &definition;
    return definition;
  }

  void Define(Definition& definition) {
    const auto [it, inserted] = table_.try_emplace(definition.name, &definition);
    if (inserted || definition.implicit) return;  // implicit: its owner collides as well
    const Definition& other = *it->second;
    if (other.module == kNoModule) {
      Error(definition, fmt::format("{} is already defined", other.Describe()));
    }
    Error(definition, fmt::format("'{}' is already defined\n{}previous definition", definition.name,
                                  DescribePlace(other.place, other.Context())));
  }

  [[noreturn]] static void Error(const Definition& definition, std::string_view reason) {
    Raise(definition.place, definition.Context(), reason);
  }

  Definition* Find(const std::string& name) {
    const auto it = table_.find(name);
    if (it == table_.end()) return nullptr;
    const Meta meta = it->second->meta;
    const bool no_type = meta == Meta::kCommand || meta == Meta::kEvent || meta == Meta::kDevice;
    return no_type ? nullptr : it->second;
  }

  Definition& Resolve(const TypeRef& ref, const Definition& in, std::string_view what) {
    Definition* type = Find(ref.name);
    if (type == nullptr || (type->implicit && !in.implicit && type->text_name != in.text_name)) {
      Error(in, fmt::format("{} uses unknown type '{}'", what, Printable(ref.name)));
    }
    if (!ref.is_array) return *type;
    const std::string name = ref.name + "List";
    if (Definition* array = Find(name); array != nullptr) return *array;
    Definition& array = Add(Meta::kArray, name);
    array.element = type;
    return array;
  }

  void Check(Definition& definition) {
    CheckFeatures(definition, definition.features, true);
    switch (definition.meta) {
      case Meta::kEnum: {
        Seen seen;
        for (const ModelMember& value : definition.members) {
          CheckClash(definition, value, "value", seen);
          CheckFeatures(definition, value.features, false);
        }
        break;
      }
      case Meta::kStruct:
      case Meta::kUnion:
        CheckObject(definition, 0);
        break;
      case Meta::kAlternate:
        CheckAlternate(definition);
        break;
      case Meta::kCommand:
        CheckArguments(definition);
        CheckReturns(definition);
        CheckRunStates(definition);
        break;
      case Meta::kEvent:
        CheckArguments(definition);
        break;
      case Meta::kDevice:
        CheckDevice(definition);
        break;
      default:
        break;
    }
  }

  void CheckDevice(Definition& device) {
    Seen seen;
    for (const std::string& name : device.properties_refs) {
      Definition& type = Resolve(TypeRef{name, false}, device, "'properties'");
      if (type.meta != Meta::kStruct) {
        Error(device, fmt::format("'properties' cannot use {}", type.Describe()));
      }
      CheckObject(type, 0);
      device.properties.push_back(&type);
      for (const ModelMember* member : type.all_members) {
        CheckClash(device, *member, "property", seen);
        if (const std::string fault = PropertyFault(*member); !fault.empty()) {
          Error(device, fmt::format("{} {}", DescribeMember(*member, "property", device), fault));
        }
      }
    }
  }

  static void CheckFeatures(const Definition& in, const std::vector<ModelFeature>& features,
                            bool of_definition) {
    const bool type = in.meta != Meta::kCommand && in.meta != Meta::kEvent;
    std::map<std::string, std::string> seen;
    for (const ModelFeature& feature : features) {
      const auto [it, inserted] = seen.try_emplace(IdentifierOf(feature.name), feature.name);
      if (!inserted) {
        Error(in, fmt::format("feature '{}' collides with feature '{}'", feature.name, it->second));
      }
      if (type && of_definition && (feature.name == "deprecated" || feature.name == "unstable")) {
        Error(in, fmt::format("feature '{}' is not supported for types", feature.name));
      }
    }
  }

  static void CheckClash(const Definition& in, const ModelMember& member, std::string_view role,
                         Seen& seen) {
    const auto [it, inserted] = seen.try_emplace(IdentifierOf(member.name), &member);
    if (!inserted) {
      Error(in, fmt::format("{} collides with {}", DescribeMember(member, role, in),
                            DescribeMember(*it->second, role, in)));
    }
  }

  // Recurses into what the object contains: its base and its branches.
  void CheckObject(Definition& object, int depth) {
    if (object.state == Definition::State::kChecked) return;
    if (object.state == Definition::State::kChecking) {
      Error(object, fmt::format("object {} contains itself", object.name));
    }
    if (depth > kMaxInheritance) Error(object, "base types are nested too deeply");
    object.state = Definition::State::kChecking;
    Seen seen;
    if (object.base_ref) {
      Definition& base = Resolve(TypeRef{*object.base_ref, false}, object, "'base'");
      if (base.meta != Meta::kStruct) {
        Error(object, fmt::format("'base' requires a struct type, {} isn't", base.Describe()));
      }
      CheckObject(base, depth + 1);
      object.base = &base;
      for (const ModelMember* member : base.all_members) {
        CheckClash(object, *member, "member", seen);
        object.all_members.push_back(member);
      }
    }
    for (ModelMember& member : object.members) {
      member.type = &Resolve(member.ref, object, DescribeMember(member, "member", object));
      CheckFeatures(object, member.features, false);
      CheckClash(object, member, "member", seen);
      object.all_members.push_back(&member);
    }
    if (object.meta == Meta::kUnion) CheckBranches(object, seen, depth);
    object.state = Definition::State::kChecked;
  }

  void CheckDiscriminator(Definition& object) {
    const std::string& name = object.discriminator;
    for (const ModelMember* member : object.all_members) {
      if (member->name == name) object.tag = member;
    }
    if (object.tag == nullptr) {
      Error(object, fmt::format("discriminator '{}' is not a member of 'base'", Printable(name)));
    }
    const Definition& owner = *object.tag->owner;
    const std::string base = owner.implicit ? "'base'" : fmt::format("base type '{}'", owner.name);
    const std::string what = fmt::format("discriminator member '{}' of {}", name, base);
    if (object.tag->type->meta != Meta::kEnum) Error(object, what + " must be of enum type");
    if (object.tag->optional) Error(object, what + " must not be optional");
    if (object.tag->conditional) Error(object, what + " must not be conditional");
  }

  void CheckBranches(Definition& object, const Seen& seen, int depth) {
    CheckDiscriminator(object);
    const Definition& enumeration = *object.tag->type;
    std::map<std::string_view, const ModelMember*> values;
    for (const ModelMember& value : enumeration.members) values[value.name] = &value;
    std::set<std::string_view> named;
    for (ModelMember& branch : object.branches) {
      if (!values.contains(branch.name)) {
        Error(object, fmt::format("branch '{}' is not a value of {}", Printable(branch.name),
                                  enumeration.Describe()));
      }
      named.insert(branch.name);
      branch.type = &Resolve(branch.ref, object, fmt::format("branch '{}'", branch.name));
      if (branch.type->meta != Meta::kStruct) {
        Error(object,
              fmt::format("branch '{}' cannot use {}", branch.name, branch.type->Describe()));
      }
      if (branch.enabled && !values[branch.name]->enabled) {
        Error(object, fmt::format("branch '{}' is enabled, but value '{}' of {} is not",
                                  branch.name, branch.name, enumeration.Describe()));
      }
      CheckObject(*branch.type, depth + 1);
      Seen in_branch = seen;
      for (const ModelMember* member : branch.type->all_members) {
        CheckClash(object, *member, "member", in_branch);
      }
    }
    std::vector<ModelMember> implied;
    for (const ModelMember& value : enumeration.members) {
      if (named.contains(value.name)) continue;
      implied.push_back(ModelMember{value.name,
                                    {"q_empty", false},
                                    false,
                                    value.conditional,
                                    value.enabled,
                                    {},
                                    &object,
                                    empty_});
    }
    object.branches.insert(object.branches.end(), implied.begin(), implied.end());
    if (object.branches.empty()) Error(object, "union has no branches");
  }

  void CheckAlternate(Definition& alternate) {
    Seen seen;
    std::map<char, std::string> kinds;
    for (ModelMember& branch : alternate.branches) {
      branch.type = &Resolve(branch.ref, alternate, fmt::format("branch '{}'", branch.name));
      CheckClash(alternate, branch, "branch", seen);
      std::string accepts(1, WireKind(*branch.type));
      if (accepts[0] == '\0') {
        Error(alternate,
              fmt::format("branch '{}' cannot use {}", branch.name, branch.type->Describe()));
      }
      // A string may be a keyval form of a number or boolean, unless an enum rules that out.
      if (branch.type->meta == Meta::kBuiltin && accepts == "\"") accepts += "#b";
      if (branch.type->meta == Meta::kEnum) accepts += KeyvalKinds(*branch.type);
      for (const char kind : accepts) {
        const auto [it, inserted] = kinds.try_emplace(kind, branch.name);
        if (!inserted && it->second != branch.name) {
          Error(alternate, fmt::format("branch '{}' can't be distinguished from '{}'", branch.name,
                                       it->second));
        }
      }
    }
  }

  static std::string KeyvalKinds(const Definition& enumeration) {
    std::string kinds;
    for (const ModelMember& value : enumeration.members) {
      if (value.name == "on" || value.name == "off") kinds += 'b';
      if (value.name.find_first_of("-+.0123456789") == 0) kinds += '#';
    }
    return kinds;
  }

  void CheckArguments(Definition& definition) {
    if (!definition.arguments_ref) return;
    const std::string what = fmt::format("{}'s 'data'", MetaName(definition.meta));
    Definition& type = Resolve(*definition.arguments_ref, definition, what);
    if (!type.IsObject()) {
      Error(definition, fmt::format("{} cannot take {}", what, type.Describe()));
    }
    if (type.meta == Meta::kUnion && !definition.boxed) {
      Error(definition,
            fmt::format("{} can take {} only with 'boxed': true", what, type.Describe()));
    }
    definition.arguments = &type;
  }

  void CheckReturns(Definition& command) {
    if (!command.returns_ref) return;
    Definition& type = Resolve(*command.returns_ref, command, "command's 'returns'");
    command.returns = &type;
    for (const std::string& exception : parsed_.pragmas.command_returns_exceptions) {
      if (exception == command.name) return;
    }
    const Definition& inner = type.meta == Meta::kArray ? *type.element : type;
    if (!inner.IsObject()) {
      Error(command, fmt::format("command's 'returns' cannot take {}", type.Describe()));
    }
  }

  void CheckRunStates(const Definition& command) {
    if (command.run_states.empty()) return;
    const Definition* type = Find("RunState");
    if (type == nullptr || type->meta != Meta::kEnum) {
      Error(command, "'run-states' requires enum type 'RunState'");
    }
    for (const std::string& state : command.run_states) {
      bool known = false;
      for (const ModelMember& value : type->members) known |= value.enabled && value.name == state;
      if (!known) {
        Error(command,
              fmt::format("'run-states' member '{}' is not a value of enum type 'RunState'",
                          Printable(state)));
      }
    }
  }

  // --- documentation -------------------------------------------------------------------

  void CheckDoc(const Definition& definition) {
    const DocComment& doc = *definition.doc;
    const std::vector<const ModelMember*> members = DocumentedMembers(definition);
    std::set<std::string_view> member_names;
    std::vector<const ModelFeature*> features;
    for (const ModelFeature& feature : definition.features) features.push_back(&feature);
    for (const ModelMember* member : members) {
      member_names.insert(member->name);
      for (const ModelFeature& feature : member->features) features.push_back(&feature);
    }
    std::set<std::string_view> feature_names;
    for (const ModelFeature* feature : features) feature_names.insert(feature->name);
    CheckNoBogus(definition, doc.members, member_names, "member");
    CheckNoBogus(definition, doc.features, feature_names, "feature");
    for (const ModelFeature* feature : features) {
      if (doc.FindFeature(feature->name) != nullptr) continue;
      Error(definition, fmt::format("feature '{}' lacks documentation", feature->name));
    }
    if (IsDocException(definition)) return;
    for (const ModelMember* member : members) {
      if (doc.FindMember(member->name) != nullptr) continue;
      Error(definition, fmt::format("{} lacks documentation",
                                    DescribeMember(*member, MemberRole(definition), definition)));
    }
  }

  // What the comment of a definition describes by "@name:".
  static std::vector<const ModelMember*> DocumentedMembers(const Definition& definition) {
    const Definition* holder = &definition;
    if (definition.meta == Meta::kUnion) holder = definition.base;
    if (definition.meta == Meta::kCommand || definition.meta == Meta::kEvent) {
      holder = definition.arguments;
    }
    std::vector<const ModelMember*> members;
    if (holder == nullptr || (holder != &definition && !holder->implicit)) return members;
    const bool alternate = holder->meta == Meta::kAlternate;
    for (const ModelMember& member : alternate ? holder->branches : holder->members) {
      members.push_back(&member);
    }
    return members;
  }

  static std::string_view MemberRole(const Definition& definition) {
    if (definition.meta == Meta::kEnum) return "value";
    return definition.meta == Meta::kAlternate ? "branch" : "member";
  }

  bool IsDocException(const Definition& definition) const {
    for (const std::string& exception : parsed_.pragmas.documentation_exceptions) {
      if (exception == definition.name) return true;
    }
    return false;
  }

  static void CheckNoBogus(const Definition& definition, const std::vector<DocPart>& parts,
                           const std::set<std::string_view>& known, std::string_view what) {
    std::string bogus;
    int count = 0;
    for (const DocPart& part : parts) {
      if (known.contains(part.name)) continue;
      bogus += fmt::format("{}'{}'", count++ == 0 ? "" : ", ", Printable(part.name));
    }
    if (count == 0) return;
    Raise(definition.doc->place, definition.Context(),
          fmt::format("documented {}{} {} {} not exist", what, count > 1 ? "s" : "", bogus,
                      count > 1 ? "do" : "does"));
  }

  const ParsedSchema& parsed_;
  Model& model_;
  std::map<std::string, Definition*, std::less<>> table_;
  Definition* empty_ = nullptr;
};

}  // namespace

void CheckModel(const ParsedSchema& parsed, Model& model) { Checker(parsed, model).Run(); }

}  // namespace davit::schema
