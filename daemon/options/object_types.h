// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The types of -object and their properties, for the text form, where every value arrives as a
// string. The members are those of QAPI ObjectOptions (schema/qapi/qom.json).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace davit::daemon {

enum class PropertyKind : uint8_t { kBool, kSize, kUint, kInt, kEnum, kString, kNodes };

struct ObjectProperty {
  std::string_view name;
  PropertyKind kind;
  bool required = false;
  std::span<const std::string_view> values = {};  // kEnum
  std::string_view help = {};
};

struct ObjectType {
  std::string_view name;
  std::span<const ObjectProperty> properties;
};

std::span<const ObjectType> ObjectTypes();
const ObjectType* FindObjectType(std::string_view name);
const ObjectProperty* FindProperty(const ObjectType& type, std::string_view name);

}  // namespace davit::daemon
