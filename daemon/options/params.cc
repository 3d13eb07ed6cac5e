// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See params.h.
#include "daemon/options/params.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/options/values.h"
#include "schema/runtime/json/json.h"

namespace davit::daemon {
namespace {

// Takes the value at `at` up to a single comma, un-doubling commas; `at` ends after that comma.
std::string TakeValue(std::string_view text, size_t& at) {
  std::string value;
  while (at < text.size()) {
    if (text[at] == ',') {
      ++at;
      if (at >= text.size() || text[at] != ',') return value;
    }
    value += text[at++];
  }
  return value;
}

std::string ScalarText(const json::Value& value) {
  if (const std::string* s = value.AsString()) return *s;
  if (const bool* b = value.AsBool()) return *b ? "on" : "off";
  return json::Write(value);
}

void Flatten(const std::string& key, const json::Value& value, ParamList& list) {
  if (const json::Object* object = value.AsObject()) {
    for (const json::Member& member : object->members()) {
      Flatten(key.empty() ? member.first : key + "." + member.first, member.second, list);
    }
  } else if (const json::Array* array = value.AsArray()) {
    for (size_t i = 0; i < array->size(); ++i) {
      Flatten(fmt::format("{}.{}", key, i), (*array)[i], list);
    }
  } else {
    list.Add(key, ScalarText(value));
  }
}

Result<ParamList> FromJson(std::string_view text) {
  DAVIT_ASSIGN(json::Value value, json::Parse(text));
  ParamList list;
  Flatten("", value, list);
  list.json = std::move(value);
  return list;
}

bool IsKeyChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '/';
}

// `server` -> server=on, `nowait` -> wait=off, each with QEMU's warning.
void AddFlag(std::string flag, ParamList& list, std::vector<std::string>* warnings) {
  std::string key = flag;
  std::string value = "on";
  if (flag.starts_with("no") && flag.size() > 2) {
    key = flag.substr(2);
    value = "off";
  }
  if (warnings != nullptr) {
    warnings->push_back(
        fmt::format("warning: short-form boolean option '{}' deprecated\nPlease use {}={} instead",
                    flag, key, value));
  }
  list.Add(std::move(key), std::move(value));
}

// "no<flag>" means <flag>=off only when there is no key of the whole name.
bool IsKnownKey(const ParamSchema& schema, std::string_view key) {
  return std::any_of(schema.params.begin(), schema.params.end(),
                     [&](const ParamSpec& spec) { return spec.name == key; });
}

// A negative number is 2^64 less its size, as strtoull has it, which QEMU reads numbers with.
Number ParseInteger(std::string_view text) {
  const bool negative = text.starts_with('-');
  Number number = ParseNumber(negative ? text.substr(1) : text);
  if (negative) number.value = -number.value;
  return number;
}

Status CheckNumber(Number number, std::string_view key, const std::string& value,
                   const ParamSchema& schema, ParamType type) {
  if (number.fault == NumberFault::kNone) return {};
  if (number.fault == NumberFault::kOutOfRange && schema.dialect == Dialect::kOpts) {
    return Fail(fmt::format("Value '{}' is out of range for parameter '{}'", value, key));
  }
  if (type == ParamType::kSize && schema.dialect == Dialect::kKeyval) {
    return Fail(fmt::format("Parameter '{}' expects size", key));
  }
  if (type == ParamType::kSize) {
    return Fail(
        fmt::format("Parameter '{}' expects a non-negative number below 2^64\n"
                    "Optional suffix k, M, G, T, P or E means kilo-, mega-, giga-, tera-, peta-\n"
                    "and exabytes, respectively.",
                    key));
  }
  const char* kind = schema.dialect == Dialect::kOpts ? "a number" : "integer";
  return Fail(fmt::format("Parameter '{}' expects {}", key, kind));
}

}  // namespace

const std::string* ParamList::Find(std::string_view key) const {
  const auto it = std::find_if(entries_.rbegin(), entries_.rend(),
                               [&](const Entry& entry) { return entry.first == key; });
  return it == entries_.rend() ? nullptr : &it->second;
}

std::string ParamList::Get(std::string_view key, std::string fallback) const {
  const std::string* value = Find(key);
  if (value != nullptr) return *value;
  return fallback;
}

bool ParamList::GetBool(std::string_view key, bool fallback) const {
  const std::string* value = Find(key);
  return value != nullptr ? ParseBool(*value).value_or(fallback) : fallback;
}

std::optional<uint64_t> ParamList::GetNumber(std::string_view key) const {
  const std::string* value = Find(key);
  if (value == nullptr) return std::nullopt;
  return ParseInteger(*value).value;
}

std::optional<uint64_t> ParamList::GetSize(std::string_view key) const {
  const std::string* value = Find(key);
  if (value == nullptr) return std::nullopt;
  return ParseSize(*value).value;
}

std::optional<std::string> ParamList::Take(std::string_view key) {
  const std::string* found = Find(key);
  if (found == nullptr) return std::nullopt;
  std::string value = *found;
  std::erase_if(entries_, [&](const Entry& entry) { return entry.first == key; });
  return value;
}

Result<ParamList> SplitParams(std::string_view text, const ParamSchema& schema,
                              std::vector<std::string>* warnings) {
  if (text.starts_with('{')) return FromJson(text);
  ParamList list;
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    const size_t mark = text.find_first_of("=,", at);
    if (mark != std::string_view::npos && text[mark] == '=') {
      std::string key(text.substr(start, mark - start));
      if (schema.dialect == Dialect::kKeyval &&
          (key.empty() || !std::all_of(key.begin(), key.end(), IsKeyChar))) {
        return Fail(fmt::format("Invalid parameter '{}'", key));
      }
      at = mark + 1;
      std::string value = TakeValue(text, at);
      list.Add(std::move(key), std::move(value));
      continue;
    }
    std::string value = TakeValue(text, at);
    if (value == "help" || value == "?") {
      list.help = true;
    } else if (start == 0 && !schema.implied.empty()) {
      list.Add(std::string(schema.implied), std::move(value));
    } else if (schema.dialect == Dialect::kKeyval) {
      return Fail(fmt::format("Expected '=' after parameter '{}'", value));
    } else if (IsKnownKey(schema, value)) {
      if (warnings != nullptr) {
        warnings->push_back(fmt::format(
            "warning: short-form boolean option '{}' deprecated\nPlease use {}=on instead", value,
            value));
      }
      list.Add(std::move(value), "on");
    } else {
      AddFlag(std::move(value), list, warnings);
    }
  }
  return list;
}

Status CheckParams(const ParamList& list, const ParamSchema& schema) {
  for (const auto& entry : list.entries()) {
    // Not a structured binding: clang 14 cannot capture one.
    const std::string& key = entry.first;
    const std::string& value = entry.second;
    const auto spec = std::find_if(schema.params.begin(), schema.params.end(),
                                   [&](const ParamSpec& row) { return row.name == key; });
    const std::string shown =
        schema.prefix.empty() ? key : fmt::format("{}.{}", schema.prefix, key);
    if (spec == schema.params.end()) {
      if (schema.open) continue;
      return Fail(schema.dialect == Dialect::kOpts
                      ? fmt::format("Invalid parameter '{}'", key)
                      : fmt::format("Parameter '{}' is unexpected", shown));
    }
    switch (spec->type) {
      case ParamType::kString:
        break;
      case ParamType::kBoolean:
        if (!ParseBool(value)) {
          return Fail(fmt::format("Parameter '{}' expects 'on' or 'off'", shown));
        }
        break;
      case ParamType::kNumber:
        DAVIT_TRY(CheckNumber(ParseInteger(value), shown, value, schema, spec->type));
        break;
      case ParamType::kSize:
        DAVIT_TRY(CheckNumber(ParseSize(value), shown, value, schema, spec->type));
        break;
    }
  }
  return {};
}

}  // namespace davit::daemon
