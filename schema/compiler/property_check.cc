// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See property_check.h.
#include "schema/compiler/property_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>

namespace davit::schema {
namespace {

template <typename T>
bool IsNumber(std::string_view text) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [ptr, ec] = std::from_chars(text.data(), end, value);
  return ec == std::errc() && ptr == end;
}

bool IsValueOf(const Definition& type, std::string_view text) {
  if (type.meta == Meta::kEnum) {
    return std::any_of(type.members.begin(), type.members.end(),
                       [&](const ModelMember& value) { return value.name == text; });
  }
  switch (type.builtin) {
    case Builtin::kBool:
      return text == "on" || text == "off";
    case Builtin::kInt:
    case Builtin::kInt64:
      return IsNumber<int64_t>(text);
    case Builtin::kInt32:
      return IsNumber<int32_t>(text);
    case Builtin::kUint8:
      return IsNumber<uint8_t>(text);
    case Builtin::kUint16:
      return IsNumber<uint16_t>(text);
    case Builtin::kUint32:
      return IsNumber<uint32_t>(text);
    case Builtin::kUint64:
    case Builtin::kSize:
      return IsNumber<uint64_t>(text);
    default:
      return true;
  }
}

bool IsScalar(const Definition& type) {
  if (type.meta == Meta::kEnum) return true;
  if (type.meta != Meta::kBuiltin) return false;
  constexpr Builtin kScalars[] = {
      Builtin::kStr,    Builtin::kInt,    Builtin::kInt32,  Builtin::kInt64, Builtin::kUint8,
      Builtin::kUint16, Builtin::kUint32, Builtin::kUint64, Builtin::kSize,  Builtin::kBool};
  return std::find(std::begin(kScalars), std::end(kScalars), type.builtin) != std::end(kScalars);
}

bool Fits(const Definition& type, std::string_view format) {
  if (format.empty()) return true;
  if (type.meta != Meta::kBuiltin) return false;
  if (format == "pci-address") return type.builtin == Builtin::kInt32;
  const bool link = format.starts_with("link<") && format.ends_with('>');
  return (format == "mac" || link) && type.builtin == Builtin::kStr;
}

}  // namespace

std::string PropertyFault(const ModelMember& member) {
  const Definition& type = *member.type;
  if (!member.optional) return "must be optional";
  if (!IsScalar(type)) return fmt::format("cannot use {}", type.Describe());
  if (!Fits(type, member.format)) {
    return fmt::format("cannot have format '{}'", member.format);
  }
  if (member.initial && !IsValueOf(type, *member.initial)) {
    return fmt::format("cannot have default '{}'", *member.initial);
  }
  return "";
}

}  // namespace davit::schema
