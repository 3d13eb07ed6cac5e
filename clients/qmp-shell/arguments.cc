// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See arguments.h.
#include "clients/qmp-shell/arguments.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "schema/runtime/json/json.h"

namespace davit::client {
namespace {

using Kind = SchemaModel::Kind;

bool IsIndex(std::string_view text) {
  return !text.empty() && text.size() < 6 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

std::vector<std::string> SplitPath(std::string_view path) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t dot = path.find('.');
    parts.emplace_back(path.substr(0, dot));
    if (dot == std::string_view::npos) return parts;
    path.remove_prefix(dot + 1);
  }
}

// JSON, also with single quotes for the double ones, as Python users type it.
Result<json::Value> ParseJson(std::string_view text) {
  Result<json::Value> value = json::Parse(text);
  if (!value && text.find('\'') != std::string_view::npos &&
      text.find('"') == std::string_view::npos) {
    std::string doubled(text);
    std::replace(doubled.begin(), doubled.end(), '\'', '"');
    Result<json::Value> second = json::Parse(doubled);
    if (second) return second;
  }
  return value;
}

Result<json::Value> ParseValue(const SchemaModel& schema, std::string_view type,
                               std::string_view key, std::string_view text) {
  const Kind kind = schema.KindOf(type);
  if (kind == Kind::kString || kind == Kind::kEnum) return json::Value(Unquote(text));
  if (kind == Kind::kBool) {
    if (text == "on" || text == "yes" || text == "True") return json::Value(true);
    if (text == "off" || text == "no" || text == "False") return json::Value(false);
  }
  if (kind == Kind::kInt && text.starts_with("0x")) {
    uint64_t number = 0;
    const auto [end, ec] = std::from_chars(text.data() + 2, text.data() + text.size(), number, 16);
    if (ec == std::errc() && end == text.data() + text.size()) return json::Value(number);
  }
  Result<json::Value> value = ParseJson(text);
  if (value) return value;
  if (text.starts_with('{') || text.starts_with('[')) {
    return Fail("value of '" + std::string(key) + "' is not JSON: " + value.error().message);
  }
  // A plain word; the server judges whether it fits.
  return json::Value(Unquote(text));
}

// The value at parts below root, made on the way.
Status SetAt(json::Object& root, const std::vector<std::string>& parts, std::string_view key,
             json::Value value) {
  json::Object* object = &root;
  json::Array* array = nullptr;
  for (size_t i = 0;; ++i) {
    const std::string& part = parts[i];
    if (part.empty()) return Fail("key '" + std::string(key) + "' has an empty part");
    json::Value* slot = nullptr;
    if (array != nullptr) {
      const size_t index = IsIndex(part) ? std::stoul(part) : array->size() + 1;
      if (index > array->size()) {
        return Fail("key '" + std::string(key) +
                    "': list elements are numbered 0, 1, ... in order");
      }
      if (index == array->size()) array->emplace_back();
      slot = &(*array)[index];
    } else {
      slot = object->Find(part);
      if (slot == nullptr) slot = &object->Set(part, nullptr);
    }
    if (i + 1 == parts.size()) {
      if (!slot->is_null()) return Fail("key '" + std::string(key) + "' is given twice");
      *slot = std::move(value);
      return {};
    }
    if (slot->is_null()) {
      *slot = IsIndex(parts[i + 1]) ? json::Value(json::Array()) : json::Value(json::Object());
    }
    object = slot->AsObject();
    array = slot->AsArray();
    if (object == nullptr && array == nullptr) {
      return Fail("key '" + std::string(key) + "': '" + part + "' is a plain value already");
    }
  }
}

}  // namespace

std::string TypeAt(const SchemaModel& schema, std::string_view type, std::string_view path,
                   const json::Object& so_far) {
  std::string current(type);
  json::Value here(so_far);
  for (const std::string& part : SplitPath(path)) {
    if (schema.KindOf(current) == Kind::kArray) {
      current = schema.ElementType(current);
      const json::Array* array = here.AsArray();
      json::Value next;
      if (array != nullptr && IsIndex(part) && std::stoul(part) < array->size()) {
        next = (*array)[std::stoul(part)];
      }
      here = std::move(next);
      continue;
    }
    const auto value_of = [&here](const std::string& member) {
      const std::string* text = here[member].AsString();
      return text == nullptr ? std::string() : *text;
    };
    const std::vector<SchemaModel::Field> fields = schema.FieldsOf(current, value_of);
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [&part](const auto& f) { return f.name == part; });
    if (field == fields.end()) return {};
    current = field->type;
    json::Value next = here[part];
    here = std::move(next);
  }
  return current;
}

Result<json::Object> ParseArguments(const SchemaModel& schema, std::string_view command,
                                    std::span<const Word> words) {
  json::Object arguments;
  const std::string type = schema.ArgumentType(command);
  for (const Word& word : words) {
    if (word.text.starts_with('{')) {
      DAVIT_ASSIGN(const json::Value value, ParseJson(word.text));
      for (const json::Member& member : value.AsObject()->members()) {
        DAVIT_TRY(SetAt(arguments, {member.first}, member.first, member.second));
      }
      continue;
    }
    const size_t equals = word.text.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Fail("expected KEY=VALUE or a JSON object, got '" + word.text + "'");
    }
    const std::string key = word.text.substr(0, equals);
    const std::string value_type = TypeAt(schema, type, key, arguments);
    DAVIT_ASSIGN(json::Value value, ParseValue(schema, value_type, key,
                                               std::string_view(word.text).substr(equals + 1)));
    DAVIT_TRY(SetAt(arguments, SplitPath(key), key, std::move(value)));
  }
  return arguments;
}

}  // namespace davit::client
