// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The structured argument of an option: `value,key=value,...` with ',,' for a comma in a value, or
// the same as a JSON object. Two dialects, as in QEMU: "opts" (flags allowed: `server` is
// server=on, deprecated) and "keyval" (every key has '='; dotted keys are nesting). A schema
// says which keys exist and their types, so that an unknown or ill-typed one is refused by name.
// Pure; errors carry QEMU's wording without the option's name, which the caller puts before it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::daemon {

// QAPI CommandLineParameterType.
enum class ParamType : uint8_t { kString, kBoolean, kNumber, kSize };

struct ParamSpec {
  std::string_view name;
  ParamType type = ParamType::kString;
  std::string_view help = {};
};

enum class Dialect : uint8_t { kOpts, kKeyval };

struct ParamSchema {
  std::string_view group;  // name in -readconfig and query-command-line-options
  Dialect dialect = Dialect::kOpts;
  std::string_view implied = {};  // key of a first value without one
  std::string_view prefix = {};   // keyval: errors name "<prefix>.<key>"
  bool open = false;              // other keys than those of `params` pass unchecked
  std::span<const ParamSpec> params = {};
};

class ParamList {
 public:
  using Entry = std::pair<std::string, std::string>;

  void Add(std::string key, std::string value) {
    entries_.emplace_back(std::move(key), std::move(value));
  }
  const std::vector<Entry>& entries() const { return entries_; }

  // The last value of a key; null when absent.
  const std::string* Find(std::string_view key) const;
  bool Has(std::string_view key) const { return Find(key) != nullptr; }
  std::string Get(std::string_view key, std::string fallback = {}) const;
  // For keys that the schema typed: the text is known to be good.
  bool GetBool(std::string_view key, bool fallback) const;
  std::optional<uint64_t> GetNumber(std::string_view key) const;
  std::optional<uint64_t> GetSize(std::string_view key) const;
  // Removes the last value of a key and earlier ones.
  std::optional<std::string> Take(std::string_view key);

  bool help = false;                // a `help` or `?` was among the keys
  std::optional<json::Value> json;  // the argument was this JSON object

 private:
  std::vector<Entry> entries_;
};

// Splits; no check of keys. Warnings (deprecated short forms) are appended.
Result<ParamList> SplitParams(std::string_view text, const ParamSchema& schema,
                              std::vector<std::string>* warnings);
// Keys and types.
Status CheckParams(const ParamList& list, const ParamSchema& schema);

}  // namespace davit::daemon
