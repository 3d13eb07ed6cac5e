// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See object_spec.h. By way of JSON, so that a new property needs no code here.
#include "qmp/handlers/object_spec.h"

#include "schema/qapi/codecs.h"

namespace davit::qmp {
namespace {

control::PropertyValue ToProperty(const json::Value& value) {
  if (const bool* b = value.AsBool()) return {*b};
  if (const int64_t* n = value.AsInt()) {
    if (*n < 0) return {*n};
    return {static_cast<uint64_t>(*n)};
  }
  if (const uint64_t* n = value.AsUint()) return {*n};
  if (const json::Array* array = value.AsArray()) {
    control::PropertyList list;
    for (const json::Value& element : *array) list.push_back(ToProperty(element));
    return {std::move(list)};
  }
  const std::string* text = value.AsString();
  return {text != nullptr ? *text : std::string()};
}

}  // namespace

control::ObjectSpec ToObjectSpec(const qapi::ObjectOptions& options) {
  control::ObjectSpec spec{qapi::ToString(options.qom_type), options.id, {}};
  const json::Value encoded = qapi::Encode(options);
  for (const json::Member& member : encoded.AsObject()->members()) {
    if (member.first == "qom-type" || member.first == "id") continue;
    spec.properties.emplace_back(member.first, ToProperty(member.second));
  }
  return spec;
}

}  // namespace davit::qmp
