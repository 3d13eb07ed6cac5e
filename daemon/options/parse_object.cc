// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -object: text or JSON -> control::ObjectSpec, by the schema's ObjectOptions. The text form is
// decoded from strings, the JSON form is held to its types.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/options/table.h"
#include "daemon/options/values.h"
#include "qmp/handlers/object_spec.h"
#include "schema/qapi/codecs.h"

namespace davit::daemon {
namespace {

using control::ObjectSpec;

// A key that was given several times is a list.
json::Object ToObject(const ParamList& list) {
  json::Object object;
  for (const auto& [key, text] : list.entries()) {
    json::Value* have = object.Find(key);
    if (have == nullptr) {
      object.Set(key, text);
      continue;
    }
    if (!have->is_array()) *have = json::Value(json::Array{*have});
    have->AsArray()->push_back(text);
  }
  return object;
}

// The option visitor's word for a key that nothing has taken.
Error AsOptionError(Error error) {
  constexpr std::string_view kHead = "Parameter '";
  constexpr std::string_view kTail = "' is unexpected";
  if (error.message.starts_with(kHead) && error.message.ends_with(kTail)) {
    error.message =
        fmt::format("Invalid parameter '{}'",
                    std::string_view(error.message)
                        .substr(kHead.size(), error.message.size() - kHead.size() - kTail.size()));
  }
  return error;
}

Result<qapi::ObjectOptions> DecodeOptions(const ParamList& list) {
  if (list.json) return qapi::Decode<qapi::ObjectOptions>(*list.json);
  Result<qapi::ObjectOptions> options =
      qapi::Decode<qapi::ObjectOptions>(ToObject(list), {}, qapi::DecodeMode::kOptions);
  if (!options) return Fail(AsOptionError(std::move(options).error()));
  return options;
}

}  // namespace

Status ApplyObject(ParseContext& context, ParamList& list) {
  if (list.help) {
    context.options.show = Show::kObjects;
    return {};
  }
  DAVIT_ASSIGN(const qapi::ObjectOptions options, DecodeOptions(list));
  if (!IsWellFormedId(options.id)) {
    return Fail(
        "Parameter 'id' expects an identifier\n"
        "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
  }
  auto& objects = context.options.machine.objects;
  if (std::any_of(objects.begin(), objects.end(),
                  [&](const ObjectSpec& other) { return other.id == options.id; })) {
    return Fail(fmt::format("Duplicate ID '{}' for object", options.id));
  }
  objects.push_back(qmp::ToObjectSpec(options));
  return {};
}

}  // namespace davit::daemon
