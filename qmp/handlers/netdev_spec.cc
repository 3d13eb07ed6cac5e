// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See netdev_spec.h. By way of JSON, so that a new member needs no code here.
#include "qmp/handlers/netdev_spec.h"

#include "schema/qapi/codecs.h"

namespace davit::qmp {
namespace {

// An element of a list is a text, or a String object.
std::string ElementText(const json::Value& value) {
  const std::string* text = value.AsString();
  if (text == nullptr) text = value["str"].AsString();
  return text != nullptr ? *text : std::string();
}

void Add(const std::string& key, const json::Value& value, control::NetdevSpec& spec) {
  if (const json::Object* object = value.AsObject()) {
    for (const json::Member& member : object->members()) {
      Add(key + "." + member.first, member.second, spec);
    }
    return;
  }
  control::PropertyValue property;
  if (const bool* flag = value.AsBool()) {
    property.value = *flag;
  } else if (const uint64_t* number = value.AsUint()) {
    property.value = *number;
  } else if (const int64_t* signed_number = value.AsInt()) {
    property.value = *signed_number;
    if (*signed_number >= 0) property.value = static_cast<uint64_t>(*signed_number);
  } else if (const std::string* text = value.AsString()) {
    property.value = *text;
  } else if (const json::Array* array = value.AsArray()) {
    control::PropertyList list;
    for (const json::Value& element : *array) list.push_back({ElementText(element)});
    property.value = std::move(list);
  }
  spec.properties.emplace_back(key, std::move(property));
}

}  // namespace

control::NetdevSpec ToNetdevSpec(const qapi::Netdev& netdev) {
  control::NetdevSpec spec{qapi::ToString(netdev.type), netdev.id, {}};
  const json::Value encoded = qapi::Encode(netdev);
  for (const json::Member& member : encoded.AsObject()->members()) {
    if (member.first != "type" && member.first != "id") Add(member.first, member.second, spec);
  }
  return spec;
}

}  // namespace davit::qmp
