// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See device_type.h.
#include "schema/runtime/device_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <limits>
#include <string>

#include "schema/runtime/number_text.h"
#include "vmm/base/check.h"

namespace davit::qapi {
namespace {

tl::unexpected<Error> Expects(const DeviceProperty& property, std::string_view what) {
  return Fail(fmt::format("Parameter '{}' expects {}", property.name, what));
}

tl::unexpected<Error> WrongType(const DeviceProperty& property, std::string_view expected) {
  return Fail(
      fmt::format("Invalid parameter type for '{}', expected: {}", property.name, expected));
}

tl::unexpected<Error> WrongValue(const DeviceProperty& property, std::string_view text) {
  return Fail(
      fmt::format("Property '{}.{}' doesn't take value '{}'", property.owner, property.name, text));
}

struct Range {
  uint64_t high;
  const char* c_type;
};

Range UnsignedRange(PropertyKind kind) {
  switch (kind) {
    case PropertyKind::kUint8:
      return {UINT8_MAX, "uint8_t"};
    case PropertyKind::kUint16:
      return {UINT16_MAX, "uint16_t"};
    case PropertyKind::kUint32:
      return {UINT32_MAX, "uint32_t"};
    default:
      return {UINT64_MAX, "uint64_t"};
  }
}

Result<json::Value> Unsigned(const DeviceProperty& property, uint64_t value) {
  const Range range = UnsignedRange(property.kind);
  if (value > range.high) return Expects(property, range.c_type);
  return json::Value(value);
}

Result<json::Value> Signed(const DeviceProperty& property, int64_t value) {
  if (property.kind == PropertyKind::kInt32 && (value < INT32_MIN || value > INT32_MAX)) {
    return Expects(property, "int32_t");
  }
  return json::Value(value);
}

Result<json::Value> UnsignedText(const DeviceProperty& property, const std::string& text) {
  const char* end = nullptr;
  uint64_t value = 0;
  int64_t negative = 0;
  // A negative number stands for the one with the same bits, as in C.
  if (!ParseUintText(text.c_str(), &end, value)) {
    if (!ParseIntText(text.c_str(), &end, negative)) return Expects(property, "integer");
    value = static_cast<uint64_t>(negative);
  }
  if (*end != '\0') return Expects(property, "integer");
  return Unsigned(property, value);
}

Result<json::Value> EnumText(const DeviceProperty& property, std::string_view text) {
  if (std::find(property.values.begin(), property.values.end(), text) == property.values.end()) {
    return Fail(fmt::format("Parameter '{}' does not accept value '{}'", property.name, text));
  }
  return json::Value(text);
}

// A hexadecimal number with or without 0x, at the front of `text`, which is then shortened by it.
std::optional<uint64_t> TakeHex(std::string& text) {
  if (text.empty() || std::isxdigit(static_cast<unsigned char>(text[0])) == 0) return std::nullopt;
  char* end = nullptr;
  const unsigned long long value = std::strtoull(text.c_str(), &end, 16);
  text.erase(0, static_cast<size_t>(end - text.c_str()));
  return value;
}

Result<json::Value> PciAddress(const DeviceProperty& property, const std::string& text) {
  std::string rest = text;
  const std::optional<uint64_t> slot = TakeHex(rest);
  uint64_t function = 0;
  bool good = slot && *slot < 32;
  if (good && rest.starts_with('.')) {
    rest.erase(0, 1);
    const std::optional<uint64_t> number = TakeHex(rest);
    good = number && *number < 8;
    function = number.value_or(0);
  }
  if (!good || !rest.empty()) return WrongValue(property, text);
  return json::Value(static_cast<int64_t>(*slot * 8 + function));
}

Result<json::Value> MacAddress(const DeviceProperty& property, std::string_view text) {
  std::string mac;
  bool good = text.size() == 17;
  for (size_t i = 0; good && i < text.size(); ++i) {
    const char c = text[i];
    if (i % 3 == 2) {
      good = c == ':' || c == '-';
      mac += ':';
    } else {
      good = std::isxdigit(static_cast<unsigned char>(c)) != 0;
      mac += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  if (!good) return WrongValue(property, text);
  return json::Value(std::move(mac));
}

Result<json::Value> BoolText(const DeviceProperty& property, std::string_view text) {
  for (const std::string_view word : {"on", "yes", "true", "y"}) {
    if (text == word) return json::Value(true);
  }
  for (const std::string_view word : {"off", "no", "false", "n"}) {
    if (text == word) return json::Value(false);
  }
  return Expects(property, "'on' or 'off'");
}

Result<json::Value> IntText(const DeviceProperty& property, const std::string& text) {
  const char* end = nullptr;
  int64_t number = 0;
  if (!ParseIntText(text.c_str(), &end, number) || *end != '\0') {
    return Expects(property, "integer");
  }
  return Signed(property, number);
}

Result<json::Value> PciAddressValue(const DeviceProperty& property, const json::Value& value) {
  if (const std::string* text = value.AsString()) return PciAddress(property, *text);
  const int64_t* number = value.AsInt();
  if (number == nullptr && value.AsUint() == nullptr) {
    return Fail(fmt::format("Invalid parameter type for '{}', expected int or str", property.name));
  }
  if (number == nullptr || *number < -1 || *number > 255) {
    return Expects(property, "a value between -1 and 255");
  }
  return value;
}

}  // namespace

const DeviceProperty* DeviceType::Find(std::string_view property) const {
  const auto it = std::find_if(properties.begin(), properties.end(),
                               [&](const DeviceProperty& p) { return p.name == property; });
  return it == properties.end() ? nullptr : &*it;
}

const DeviceType* FindDeviceType(std::span<const DeviceType> types, std::string_view name) {
  if (name.empty()) return nullptr;
  const auto it = std::find_if(types.begin(), types.end(), [&](const DeviceType& type) {
    return type.name == name || type.alias == name;
  });
  return it == types.end() ? nullptr : &*it;
}

Result<json::Value> ParseProperty(const DeviceProperty& property, std::string_view text_view) {
  const std::string text(text_view);
  switch (property.kind) {
    case PropertyKind::kBool:
      return BoolText(property, text);
    case PropertyKind::kInt32:
    case PropertyKind::kInt64:
      return IntText(property, text);
    case PropertyKind::kSize: {
      uint64_t size = 0;
      if (!ParseSizeText(text, size)) return Expects(property, "size");
      return json::Value(size);
    }
    case PropertyKind::kEnum:
      return EnumText(property, text);
    case PropertyKind::kPciAddress:
      return PciAddress(property, text);
    case PropertyKind::kMac:
      return MacAddress(property, text);
    case PropertyKind::kString:
    case PropertyKind::kLink:
      return json::Value(text);
    default:
      return UnsignedText(property, text);
  }
}

Result<json::Value> CheckProperty(const DeviceProperty& property, const json::Value& value) {
  const std::string* text = value.AsString();
  switch (property.kind) {
    case PropertyKind::kBool:
      if (!value.is_bool()) return WrongType(property, "boolean");
      return value;
    case PropertyKind::kInt32:
    case PropertyKind::kInt64:
      if (value.AsInt() == nullptr) return WrongType(property, "integer");
      return Signed(property, *value.AsInt());
    case PropertyKind::kPciAddress:
      return PciAddressValue(property, value);
    case PropertyKind::kEnum:
      if (text == nullptr) return WrongType(property, "string");
      return EnumText(property, *text);
    case PropertyKind::kMac:
      if (text == nullptr) return WrongType(property, "string");
      return MacAddress(property, *text);
    case PropertyKind::kString:
    case PropertyKind::kLink:
      if (text == nullptr) return WrongType(property, "string");
      return value;
    default:
      if (const uint64_t* number = value.AsUint()) return Unsigned(property, *number);
      if (const int64_t* number = value.AsInt()) {
        return Unsigned(property, static_cast<uint64_t>(*number));
      }
      return Expects(property, "uint64");
  }
}

std::optional<json::Value> DefaultOf(const DeviceProperty& property) {
  if (!property.initial) return std::nullopt;
  if (property.kind == PropertyKind::kPciAddress) {
    return json::Value(static_cast<int64_t>(std::atoll(std::string(*property.initial).c_str())));
  }
  Result<json::Value> value = ParseProperty(property, *property.initial);
  DAVIT_CHECK(value.has_value());  // the schema compiler has looked at it
  return std::move(*value);
}

}  // namespace davit::qapi
