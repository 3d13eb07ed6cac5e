// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See completer.h.
#include "clients/qmp-shell/completer.h"

#include <algorithm>

#include "clients/qmp-shell/arguments.h"
#include "clients/qmp-shell/words.h"

namespace davit::client {
namespace {

using Kind = SchemaModel::Kind;

// The arguments that the whole words before the cursor give, as far as they parse.
json::Object ArgumentsSoFar(const SchemaModel& schema, const std::vector<Word>& words, size_t end) {
  const std::span<const Word> arguments(words.data() + 1, end - 1);
  return ParseArguments(schema, words.front().text, arguments).value_or(json::Object());
}

std::vector<std::string> ValuesOf(const SchemaModel& schema, std::string_view type) {
  if (schema.KindOf(type) == Kind::kBool) return {"true", "false"};
  return schema.EnumValues(type);
}

// The object that stands at a dotted path of the arguments so far; null value when none.
json::Value ValueAt(const json::Object& root, std::string_view path) {
  json::Value here(root);
  while (!path.empty()) {
    const size_t dot = path.find('.');
    json::Value next = here[path.substr(0, dot)];
    here = std::move(next);
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
  }
  return here;
}

std::vector<std::string> KeyCandidates(const SchemaModel& schema, const std::string& command,
                                       const json::Object& so_far, std::string_view partial) {
  const size_t dot = partial.rfind('.');
  const std::string_view path = dot == std::string_view::npos ? "" : partial.substr(0, dot);
  const std::string prefix(partial.substr(0, path.empty() ? 0 : dot + 1));
  std::string type = schema.ArgumentType(command);
  if (!path.empty()) type = TypeAt(schema, type, path, so_far);
  const json::Value here = ValueAt(so_far, path);
  const auto value_of = [&here](const std::string& member) {
    const std::string* text = here[member].AsString();
    return text == nullptr ? std::string() : *text;
  };
  std::vector<std::string> candidates;
  for (const SchemaModel::Field& field : schema.FieldsOf(type, value_of)) {
    const json::Object* object = here.AsObject();
    const Kind kind = schema.KindOf(field.type);
    const bool nested = kind == Kind::kObject;
    if (object != nullptr && object->Has(field.name) && !nested) continue;
    candidates.push_back(prefix + field.name + (nested ? "." : "="));
  }
  return candidates;
}

void KeepWithPrefix(std::vector<std::string>& candidates, std::string_view prefix) {
  std::erase_if(candidates, [prefix](const std::string& c) { return !c.starts_with(prefix); });
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
}

}  // namespace

Completion CompleteQmp(const SchemaModel& schema, const LiveNames& live,
                       const std::vector<std::string>& extra_commands, std::string_view line) {
  const Words split = SplitWords(line);
  const bool fresh = split.words.empty() ||
                     split.words.back().begin + split.words.back().text.size() < line.size();
  const std::string partial = fresh ? std::string() : split.words.back().text;
  Completion result;
  result.begin = fresh ? line.size() : split.words.back().begin;
  if (split.words.empty() || (split.words.size() == 1 && !fresh)) {
    for (std::string& name : schema.Commands()) result.candidates.push_back(name + " ");
    for (const std::string& name : extra_commands) result.candidates.push_back(name + " ");
  } else if (!partial.starts_with('{')) {
    const std::string& command = split.words.front().text;
    const json::Object so_far =
        ArgumentsSoFar(schema, split.words, split.words.size() - (fresh ? 0 : 1));
    const size_t equals = partial.find('=');
    if (equals == std::string::npos) {
      result.candidates = KeyCandidates(schema, command, so_far, partial);
      for (const std::string& key : live.KeysOf(command, so_far)) {
        if (!so_far.Has(key)) result.candidates.push_back(key + "=");
      }
    } else {
      const std::string key = partial.substr(0, equals);
      const std::string type = TypeAt(schema, schema.ArgumentType(command), key, so_far);
      for (const std::string& value : ValuesOf(schema, type)) {
        result.candidates.push_back(key + "=" + value + " ");
      }
      for (const std::string& value :
           live.ValuesOf(command, key, partial.substr(equals + 1), so_far)) {
        result.candidates.push_back(key + "=" + value + (value.ends_with('/') ? "" : " "));
      }
    }
  }
  KeepWithPrefix(result.candidates, partial);
  return result;
}

Completion CompleteWords(const std::vector<std::string>& phrases, std::string_view line) {
  Completion result;
  const size_t blank = line.rfind(' ');
  result.begin = blank == std::string_view::npos ? 0 : blank + 1;
  for (const std::string& phrase : phrases) {
    if (!phrase.starts_with(line)) continue;
    const size_t end = phrase.find(' ', line.size());
    result.candidates.push_back(
        phrase.substr(result.begin, end == std::string::npos ? end : end - result.begin) + " ");
  }
  KeepWithPrefix(result.candidates, line.substr(result.begin));
  return result;
}

}  // namespace davit::client
