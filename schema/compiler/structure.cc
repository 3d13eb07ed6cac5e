// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Context-free checks of one definition's expression: keys, kinds of values, names, conditions,
// flags. Wording follows what QEMU's users know.
#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>

#include "schema/compiler/model.h"
#include "schema/compiler/names.h"

namespace davit::schema {
namespace {

using Names = std::vector<std::string_view>;

bool Contains(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string QuotedSorted(Names names) {
  std::sort(names.begin(), names.end());
  std::string out;
  for (const std::string_view name : names) {
    out += fmt::format("{}'{}'", out.empty() ? "" : ", ", name);
  }
  return out;
}

class DefinitionReader {
 public:
  DefinitionReader(const TopLevel& item, const Pragmas& pragmas, const Defines& defines,
                   Model& model)
      : item_(item), object_(item.object), pragmas_(pragmas), defines_(defines), model_(model) {}

  void Read() {
    FindMeta();
    CheckDoc();
    switch (definition_->meta) {
      case Meta::kEnum:
        ReadEnum();
        break;
      case Meta::kStruct:
        ReadStruct();
        break;
      case Meta::kUnion:
        ReadUnion();
        break;
      case Meta::kAlternate:
        ReadAlternate();
        break;
      case Meta::kCommand:
        ReadCommand();
        break;
      case Meta::kDevice:
        ReadDevice();
        break;
      default:
        ReadEvent();
        break;
    }
    definition_->enabled = ReadIf(object_, MetaName(definition_->meta));
    definition_->features = ReadFeatures(object_.Find("features"));
    ReadFlags();
    if (implicit_ != nullptr) {
      implicit_->enabled = definition_->enabled;
      model_.definitions.push_back(std::move(implicit_));
    }
    for (ModelMember& member : definition_->members) member.owner = definition_.get();
    for (ModelMember& branch : definition_->branches) branch.owner = definition_.get();
    model_.definitions.push_back(std::move(definition_));
  }

 private:
  [[noreturn]] void Error(std::string_view reason) const { Raise(item_.place, context_, reason); }

  void ErrorUnlessEmpty(const std::string& complaint) const {
    if (!complaint.empty()) Error(complaint);
  }

  void FindMeta() {
    constexpr Meta kMetas[] = {Meta::kEnum,    Meta::kStruct, Meta::kUnion, Meta::kAlternate,
                               Meta::kCommand, Meta::kEvent,  Meta::kDevice};
    definition_ = std::make_unique<Definition>();
    const Node* name = nullptr;
    int found = 0;
    for (const Meta meta : kMetas) {
      const Node* node = object_.Find(MetaName(meta));
      if (node == nullptr) continue;
      ++found;
      name = node;
      definition_->meta = meta;
    }
    if (found != 1) {
      Error(
          "expression must have exactly one key 'enum', 'struct', 'union', 'alternate', "
          "'command', 'event', 'device'");
    }
    const std::string_view meta = MetaName(definition_->meta);
    if (!name->IsString()) Error(fmt::format("'{}' requires a string name", meta));
    definition_->name = definition_->text_name = name->text;
    definition_->text_meta = definition_->meta;
    definition_->place = item_.place;
    definition_->module = item_.module;
    definition_->doc = item_.doc.get();
    context_ = definition_->Context();
    CheckDefinitionName(name->text, meta);
  }

  void CheckDefinitionName(const std::string& name, std::string_view meta) const {
    if (definition_->meta == Meta::kEvent) {
      ErrorUnlessEmpty(CheckUpperName(name, meta));
    } else if (definition_->meta == Meta::kDevice) {
      CheckDeviceName(name, meta);
    } else if (definition_->meta == Meta::kCommand) {
      const bool exempt = Contains(pragmas_.command_name_exceptions, name);
      ErrorUnlessEmpty(CheckLowerName(name, meta, false, exempt));
    } else {
      ErrorUnlessEmpty(CheckCamelName(name, meta));
      if (name.ends_with("List")) Error(fmt::format("{} name should not end in 'List'", meta));
    }
  }

  void CheckDeviceName(const std::string& name, std::string_view source) const {
    ErrorUnlessEmpty(CheckLowerName(name, source, true, true));
  }

  void CheckDoc() const {
    const DocComment* doc = item_.doc.get();
    if (doc == nullptr) {
      if (pragmas_.doc_required) Error("documentation comment required");
      return;
    }
    if (doc->symbol != definition_->name) {
      Error(fmt::format("documentation comment is for '{}'", Printable(doc->symbol)));
    }
    if (definition_->meta != Meta::kCommand && doc->FindSection("Returns") != nullptr) {
      Raise(doc->place, context_, "'Returns:' is only valid for commands");
    }
  }

  void CheckKeys(const Node& object, std::string_view source, const Names& required,
                 const Names& optional) const {
    Names missing;
    for (const std::string_view key : required) {
      if (object.Find(key) == nullptr) missing.push_back(key);
    }
    if (!missing.empty()) {
      Error(fmt::format("{} misses key{} {}", source, missing.size() > 1 ? "s" : "",
                        QuotedSorted(missing)));
    }
    Names allowed = required;
    allowed.insert(allowed.end(), optional.begin(), optional.end());
    Names unknown;
    for (const Entry& entry : object.entries) {
      if (std::find(allowed.begin(), allowed.end(), entry.key) == allowed.end()) {
        unknown.push_back(entry.key);
      }
    }
    if (!unknown.empty()) {
      Error(fmt::format("{} has unknown key{} {}\nValid keys are {}.", source,
                        unknown.size() > 1 ? "s" : "", QuotedSorted(unknown),
                        QuotedSorted(allowed)));
    }
  }

  // Checks the condition of `object` if it has one; true when it holds or is absent.
  bool ReadIf(const Node& object, std::string_view source) const {
    const Node* condition = object.Find("if");
    return condition == nullptr || EvaluateIf(*condition, source);
  }

  bool EvaluateIf(const Node& condition, std::string_view source) const {
    if (condition.IsString()) {
      if (!IsConditionName(condition.text)) {
        Error(fmt::format("'if' condition '{}' of {} is not a valid identifier", condition.text,
                          source));
      }
      return defines_.contains(condition.text);
    }
    if (!condition.IsObject()) {
      Error(fmt::format("'if' condition of {} must be a string or an object", source));
    }
    CheckKeys(condition, fmt::format("'if' condition of {}", source), {}, {"all", "any", "not"});
    if (condition.entries.size() != 1) {
      Error(fmt::format("'if' condition of {} has conflicting keys", source));
    }
    const auto& [key, operand] = condition.entries[0];
    if (key == "not") return !EvaluateIf(operand, source);
    if (!operand.IsArray()) {
      Error(fmt::format("'{}' condition of {} must be an array", key, source));
    }
    if (operand.items.empty()) Error(fmt::format("'if' condition [] of {} is useless", source));
    size_t holding = 0;
    for (const Node& item : operand.items) holding += EvaluateIf(item, source) ? 1 : 0;
    return key == "all" ? holding == operand.items.size() : holding != 0;
  }

  std::vector<ModelFeature> ReadFeatures(const Node* features) const {
    std::vector<ModelFeature> out;
    if (features == nullptr) return out;
    if (!features->IsArray()) Error("'features' must be an array");
    for (const Node& feature : features->items) {
      const Node* name = &feature;
      if (feature.IsObject()) {
        CheckKeys(feature, "'features' member", {"name"}, {"if"});
        name = feature.Find("name");
      }
      if (!name->IsString()) Error("'features' member requires a string name");
      const std::string source = fmt::format("'features' member '{}'", name->text);
      ErrorUnlessEmpty(CheckLowerName(name->text, source, false, false));
      out.push_back(ModelFeature{name->text, ReadIf(feature, source)});
    }
    return out;
  }

  TypeRef ReadTypeRef(const Node& value, std::string_view source, bool allow_array) const {
    if (value.IsString()) return TypeRef{value.text, false};
    if (!value.IsArray()) Error(fmt::format("{} should be a type name", source));
    if (!allow_array) Error(fmt::format("{} cannot be an array", source));
    if (value.items.size() != 1 || !value.items[0].IsString()) {
      Error(fmt::format("{}: array type must contain single type name", source));
    }
    return TypeRef{value.items[0].text, true};
  }

  // Members of a struct, of an inline base or inline arguments.
  std::vector<ModelMember> ReadMembers(const Node& object, std::string_view what) const {
    const bool exempt = Contains(pragmas_.member_name_exceptions, definition_->name);
    std::vector<ModelMember> members;
    for (const auto& [key, value] : object.entries) {
      const std::string source = fmt::format("{} member '{}'", what, key);
      ModelMember member;
      member.optional = key.starts_with('*');
      member.name = member.optional ? key.substr(1) : key;
      ErrorUnlessEmpty(CheckLowerName(member.name, source, exempt, exempt));
      const std::string identifier = IdentifierOf(member.name);
      if (identifier == "u" || identifier.starts_with("has_")) {
        Error(fmt::format("{} uses reserved name", source));
      }
      const Node* type = &value;
      if (value.IsObject()) {
        Names keys = {"if", "features"};
        if (definition_->meta == Meta::kStruct) keys.insert(keys.end(), {"default", "format"});
        CheckKeys(value, source, {"type"}, keys);
        member.initial = ReadText(value, "default", source);
        member.format = ReadText(value, "format", source).value_or("");
        member.conditional = value.Find("if") != nullptr;
        member.enabled = ReadIf(value, source);
        member.features = ReadFeatures(value.Find("features"));
        type = value.Find("type");
      }
      member.ref = ReadTypeRef(*type, source, true);
      members.push_back(std::move(member));
    }
    return members;
  }

  // The string under `key`; nullopt when there is no such key.
  std::optional<std::string> ReadText(const Node& object, std::string_view key,
                                      std::string_view source) const {
    const Node* node = object.Find(key);
    if (node == nullptr) return std::nullopt;
    if (!node->IsString()) Error(fmt::format("'{}' of {} must be a string", key, source));
    return node->text;
  }

  std::vector<ModelMember> ReadBranches(const Node& data, bool check_names,
                                        bool allow_array) const {
    std::vector<ModelMember> branches;
    for (const auto& [key, value] : data.entries) {
      const std::string source = fmt::format("'data' member '{}'", key);
      if (check_names) ErrorUnlessEmpty(CheckLowerName(key, source, false, false));
      ModelMember branch;
      branch.name = key;
      const Node* type = &value;
      if (value.IsObject()) {
        CheckKeys(value, source, {"type"}, {"if"});
        branch.conditional = value.Find("if") != nullptr;
        branch.enabled = ReadIf(value, source);
        type = value.Find("type");
      }
      branch.ref = ReadTypeRef(*type, source, allow_array);
      branches.push_back(std::move(branch));
    }
    return branches;
  }

  // The implicit struct for inline members; its name, or nothing when it has no members.
  std::optional<std::string> MakeImplicit(std::vector<ModelMember> members, std::string_view role) {
    if (members.empty()) return std::nullopt;
    implicit_ = std::make_unique<Definition>();
    implicit_->meta = Meta::kStruct;
    implicit_->name = fmt::format("q_obj_{}-{}", definition_->name, role);
    implicit_->implicit = true;
    implicit_->text_name = definition_->name;
    implicit_->text_meta = definition_->meta;
    implicit_->place = item_.place;
    implicit_->module = item_.module;
    implicit_->doc = item_.doc.get();
    implicit_->members = std::move(members);
    for (ModelMember& member : implicit_->members) member.owner = implicit_.get();
    return implicit_->name;
  }

  void ReadEnum() {
    CheckKeys(object_, "enum", {"enum", "data"}, {"if", "features", "prefix"});
    const Node& data = *object_.Find("data");
    if (!data.IsArray()) Error("'data' must be an array");
    if (const Node* prefix = object_.Find("prefix"); prefix != nullptr) {
      if (!prefix->IsString()) Error("'prefix' must be a string");
      definition_->prefix = prefix->text;
    }
    const bool exempt = Contains(pragmas_.member_name_exceptions, definition_->name);
    for (const Node& item : data.items) {
      const Node* name = &item;
      if (item.IsObject()) {
        CheckKeys(item, "'data' member", {"name"}, {"if", "features"});
        name = item.Find("name");
      }
      if (!name->IsString()) Error("'data' member requires a string name");
      const std::string source = fmt::format("'data' member '{}'", name->text);
      // Values may start with a digit, which no other name may.
      const bool digit = !name->text.empty() && name->text[0] >= '0' && name->text[0] <= '9';
      ErrorUnlessEmpty(CheckLowerName((digit ? "d" : "") + name->text, source, exempt, exempt));
      ModelMember value;
      value.name = name->text;
      value.conditional = item.Find("if") != nullptr;
      value.enabled = ReadIf(item, source);
      value.features = ReadFeatures(item.Find("features"));
      definition_->members.push_back(std::move(value));
    }
  }

  void ReadStruct() {
    CheckKeys(object_, "struct", {"struct", "data"}, {"base", "if", "features"});
    const Node& data = *object_.Find("data");
    if (data.IsArray()) Error("'data' cannot be an array");
    if (!data.IsObject()) Error("'data' must be an object");
    definition_->members = ReadMembers(data, "'data'");
    if (const Node* base = object_.Find("base"); base != nullptr) {
      definition_->base_ref = ReadTypeRef(*base, "'base'", false).name;
    }
  }

  void ReadUnion() {
    CheckKeys(object_, "union", {"union", "base", "discriminator", "data"}, {"if", "features"});
    const Node& base = *object_.Find("base");
    if (base.IsArray()) Error("'base' cannot be an array");
    if (base.IsBool()) Error("'base' should be an object or type name");
    if (base.IsString()) {
      definition_->base_ref = base.text;
    } else {
      definition_->base_ref = MakeImplicit(ReadMembers(base, "'base'"), "base");
    }
    const Node& discriminator = *object_.Find("discriminator");
    if (!discriminator.IsString()) Error("'discriminator' requires a string name");
    definition_->discriminator = discriminator.text;
    const Node& data = *object_.Find("data");
    if (!data.IsObject()) Error("'data' must be an object");
    definition_->branches = ReadBranches(data, false, false);
  }

  void ReadAlternate() {
    CheckKeys(object_, "alternate", {"alternate", "data"}, {"if", "features"});
    const Node& data = *object_.Find("data");
    if (!data.IsObject()) Error("'data' must be an object");
    if (data.entries.empty()) Error("'data' must not be empty");
    definition_->branches = ReadBranches(data, true, true);
  }

  void ReadArguments() {
    const Node* flag = object_.Find("boxed");
    const bool boxed = flag != nullptr && flag->IsBool() && flag->flag;
    const Node* data = object_.Find("data");
    if (boxed && data == nullptr) Error("'boxed': true requires 'data'");
    if (data == nullptr) return;
    if (data->IsObject()) {
      if (boxed) Error("'data' should be a type name");
      const std::optional<std::string> name = MakeImplicit(ReadMembers(*data, "'data'"), "arg");
      if (name) definition_->arguments_ref = TypeRef{*name, false};
      return;
    }
    if (data->IsBool()) Error("'data' should be an object or type name");
    definition_->arguments_ref = ReadTypeRef(*data, "'data'", false);
  }

  void ReadCommand() {
    CheckKeys(object_, "command", {"command"},
              {"data", "returns", "boxed", "if", "features", "gen", "success-response", "allow-oob",
               "allow-preconfig", "coroutine", "run-states"});
    ReadArguments();
    if (const Node* returns = object_.Find("returns"); returns != nullptr) {
      definition_->returns_ref = ReadTypeRef(*returns, "'returns'", true);
    }
    if (const Node* states = object_.Find("run-states"); states != nullptr) {
      ReadRunStates(*states);
    }
  }

  void ReadRunStates(const Node& states) {
    if (!states.IsArray()) Error("'run-states' must be an array of strings");
    if (states.items.empty()) Error("'run-states' must not be empty");
    for (const Node& state : states.items) {
      if (!state.IsString()) Error("'run-states' must be an array of strings");
      if (Contains(definition_->run_states, state.text)) {
        Error(fmt::format("'run-states' lists '{}' twice", state.text));
      }
      definition_->run_states.push_back(state.text);
    }
  }

  void ReadEvent() {
    CheckKeys(object_, "event", {"event"}, {"data", "boxed", "if", "features"});
    ReadArguments();
  }

  std::vector<std::string> ReadTexts(std::string_view key) const {
    std::vector<std::string> texts;
    const Node* node = object_.Find(key);
    if (node == nullptr) return texts;
    if (!node->IsArray()) Error(fmt::format("'{}' must be an array of strings", key));
    for (const Node& item : node->items) {
      if (!item.IsString()) Error(fmt::format("'{}' must be an array of strings", key));
      if (Contains(texts, item.text)) Error(fmt::format("'{}' lists '{}' twice", key, item.text));
      texts.push_back(item.text);
    }
    return texts;
  }

  void ReadDevice() {
    constexpr std::string_view kCategories[] = {
        "bridge", "storage", "network", "input", "display", "sound", "misc", "cpu", "watchdog"};
    CheckKeys(object_, "device", {"device", "category", "properties"},
              {"bus", "alias", "desc", "parent", "variants", "if"});
    DeviceKeys& keys = definition_->device;
    keys.bus = ReadText(object_, "bus", "device").value_or("");
    keys.category = *ReadText(object_, "category", "device");
    keys.alias = ReadText(object_, "alias", "device").value_or("");
    keys.desc = ReadText(object_, "desc", "device").value_or("");
    keys.parent = ReadText(object_, "parent", "device").value_or("");
    keys.variants = ReadTexts("variants");
    if (std::find(std::begin(kCategories), std::end(kCategories), keys.category) ==
        std::end(kCategories)) {
      Error(fmt::format("there is no category '{}'", keys.category));
    }
    if (!keys.alias.empty()) CheckDeviceName(keys.alias, "'alias'");
    for (const std::string& variant : keys.variants) {
      CheckDeviceName(variant, fmt::format("variant '{}'", variant));
    }
    definition_->properties_refs = ReadTexts("properties");
  }

  void ReadFlags() {
    struct Flag {
      std::string_view key;
      bool value;
      bool* out;
    };
    Definition& d = *definition_;
    const Flag flags[] = {
        {"gen", false, &d.gen},
        {"success-response", false, &d.success_response},
        {"boxed", true, &d.boxed},
        {"allow-oob", true, &d.allow_oob},
        {"allow-preconfig", true, &d.allow_preconfig},
        {"coroutine", true, &d.coroutine},
    };
    for (const Flag& flag : flags) {
      const Node* node = object_.Find(flag.key);
      if (node == nullptr) continue;
      if (!node->IsBool() || node->flag != flag.value) {
        Error(fmt::format("flag '{}' may only use {} value", flag.key,
                          flag.value ? "true" : "false"));
      }
      *flag.out = flag.value;
    }
    if (d.allow_oob && d.coroutine) Error("flags 'allow-oob' and 'coroutine' are incompatible");
  }

  const TopLevel& item_;
  const Node& object_;
  const Pragmas& pragmas_;
  const Defines& defines_;
  Model& model_;
  std::string context_;
  std::unique_ptr<Definition> definition_;
  std::unique_ptr<Definition> implicit_;
};

}  // namespace

void ReadDefinition(const TopLevel& item, const Pragmas& pragmas, const Defines& defines,
                    Model& model) {
  DefinitionReader(item, pragmas, defines, model).Read();
}

}  // namespace davit::schema
