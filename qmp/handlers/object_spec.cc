// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See object_spec.h. By way of JSON, so that a new property needs no code here.
#include "qmp/handlers/object_spec.h"

#include <fmt/format.h>

#include "schema/qapi/codecs.h"
#include "schema/runtime/json/member_order.h"

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
  if (const json::Object* object = value.AsObject()) {
    control::PropertyMap map;
    for (const json::Member& member : object->members()) {
      map.push_back({member.first, ToProperty(member.second)});
    }
    return {std::move(map)};
  }
  const std::string* text = value.AsString();
  return {text != nullptr ? *text : std::string()};
}

struct PropertyToJson {
  json::Value operator()(const control::PropertyList& list) const {
    json::Array array;
    for (const control::PropertyValue& element : list) array.push_back(ToJson(element));
    return array;
  }
  json::Value operator()(const control::PropertyMap& map) const {
    // In QEMU the later of two members of a bucket comes first.
    json::Object object;
    for (auto it = map.rbegin(); it != map.rend(); ++it) object.Set(it->name, ToJson(it->value));
    json::OrderMembers(object);
    return object;
  }
  template <typename T>
  json::Value operator()(const T& scalar) const {
    return scalar;
  }
};

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

json::Value ToJson(const control::PropertyValue& value) {
  return std::visit(PropertyToJson(), value.value);
}

Result<control::PropertyValue> ToPropertyValue(const json::Value& value,
                                               const std::string& property) {
  if (value.is_null() || value.AsDouble() != nullptr) {
    return Fail(fmt::format("Property '{}' takes neither null nor a fraction", property));
  }
  return ToProperty(value);
}

}  // namespace davit::qmp
