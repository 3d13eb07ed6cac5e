// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// DecodeValue and Encode for what schemas are built of: built-in types, lists, optional members.
// Generated code adds overloads for its own types; argument-dependent lookup joins the two. Users
// call Decode<T>() and Encode().
#pragma once

#include <concepts>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "schema/runtime/box.h"
#include "schema/runtime/decoder.h"
#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::qapi {

// --- decoding ------------------------------------------------------------------------------------

inline bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name, bool& out) {
  return d.ReadBool(value, name, out);
}
inline bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name, int64_t& out) {
  return d.ReadInt(value, name, out);
}
inline bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name,
                        uint64_t& out) {
  return d.ReadUint(value, name, out);
}
inline bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name, double& out) {
  return d.ReadNumber(value, name, out);
}
inline bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name,
                        std::string& out) {
  return d.ReadString(value, name, out);
}
inline bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name,
                        std::nullptr_t&) {
  return d.ReadNull(value, name);
}
inline bool DecodeValue(Decoder&, const json::Value& value, std::string_view, json::Value& out) {
  out = value;
  return true;
}

template <typename T>
requires(std::signed_integral<T> && sizeof(T) < 8) bool DecodeValue(Decoder& d,
                                                                    const json::Value& value,
                                                                    std::string_view name, T& out) {
  constexpr const char* kName = sizeof(T) == 1 ? "int8_t" : sizeof(T) == 2 ? "int16_t" : "int32_t";
  int64_t wide = 0;
  if (!d.ReadIntIn(value, name, std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), kName,
                   wide)) {
    return false;
  }
  out = static_cast<T>(wide);
  return true;
}

template <typename T>
requires(std::unsigned_integral<T> && !std::same_as<T, bool> &&
         sizeof(T) < 8) bool DecodeValue(Decoder& d, const json::Value& value,
                                         std::string_view name, T& out) {
  constexpr const char* kName = sizeof(T) == 1   ? "uint8_t"
                                : sizeof(T) == 2 ? "uint16_t"
                                                 : "uint32_t";
  uint64_t wide = 0;
  if (!d.ReadUintTo(value, name, std::numeric_limits<T>::max(), kName, wide)) return false;
  out = static_cast<T>(wide);
  return true;
}

// Passes for a uint64_t member of schema type 'size' (they differ in kOptions only).
struct SizeRef {
  uint64_t& value;
};
inline bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name, SizeRef out) {
  return d.ReadSize(value, name, out.value);
}

template <typename T>
bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name, Box<T>& out) {
  return DecodeValue(d, value, name, *out);
}

template <typename T>
bool DecodeValue(Decoder& d, const json::Value& value, std::string_view name, std::vector<T>& out) {
  ListScope list(d, value, name, std::is_integral_v<T> && !std::is_same_v<T, bool>);
  if (!list) return false;
  out.clear();
  out.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    T element{};
    if (!DecodeValue(d, list.Element(i), {}, element)) return false;
    out.push_back(std::move(element));
  }
  return true;
}

template <typename T>
bool DecodeRequired(Decoder& d, ObjectScope& object, std::string_view name, T&& out) {
  const json::Value* value = object.Find(name);
  if (value == nullptr) return object.FailMissing(name);
  return DecodeValue(d, *value, name, out);
}

template <typename T>
bool DecodeOptional(Decoder& d, ObjectScope& object, std::string_view name, std::optional<T>& out) {
  const json::Value* value = object.Find(name);
  if (value == nullptr) {
    out.reset();
    return true;
  }
  return DecodeValue(d, *value, name, out.emplace());
}

inline bool DecodeOptionalSize(Decoder& d, ObjectScope& object, std::string_view name,
                               std::optional<uint64_t>& out) {
  const json::Value* value = object.Find(name);
  if (value == nullptr) {
    out.reset();
    return true;
  }
  return d.ReadSize(*value, name, out.emplace());
}

// One value as a T. `name` starts the place in error texts; empty: the members are top level.
template <typename T>
Result<T> Decode(const json::Value& value, std::string_view name = {},
                 DecodeMode mode = DecodeMode::kStrict) {
  Decoder decoder(mode);
  T out{};
  if (!DecodeValue(decoder, value, name.empty() ? std::string_view() : name, out)) {
    return Fail(decoder.TakeError());
  }
  return out;
}

// The arguments of a command into its struct (types with DecodeMembers: structs and unions).
template <typename T>
Status DecodeObject(const json::Object& object, T& out, DecodeMode mode = DecodeMode::kStrict) {
  Decoder decoder(mode);
  ObjectScope scope(decoder, object, {});
  if (!DecodeMembers(decoder, scope, out) || !scope.Finish()) return Fail(decoder.TakeError());
  return {};
}

// The arguments of a command that has none.
inline Status DecodeNothing(const json::Object& object) {
  if (object.empty()) return {};
  Decoder decoder;
  ObjectScope scope(decoder, object, {});
  scope.Finish();
  return Fail(decoder.TakeError());
}

// --- encoding ------------------------------------------------------------------------------------

inline json::Value Encode(bool value) { return value; }
template <std::signed_integral T>
json::Value Encode(T value) {
  return static_cast<int64_t>(value);
}
template <std::unsigned_integral T>
requires(!std::same_as<T, bool>) json::Value Encode(T value) {
  return static_cast<uint64_t>(value);
}
json::Value Encode(const char*) = delete;  // would be taken for a bool
inline json::Value Encode(double value) { return value; }
inline json::Value Encode(const std::string& value) { return value; }
inline json::Value Encode(std::nullptr_t) { return nullptr; }
inline json::Value Encode(const json::Value& value) { return value; }

template <typename T>
json::Value Encode(const Box<T>& value) {
  return Encode(*value);
}

template <typename T>
json::Value Encode(const std::vector<T>& values) {
  json::Array array;
  array.reserve(values.size());
  for (const auto& value : values) array.push_back(Encode(static_cast<const T&>(value)));
  return array;
}

template <typename T>
void EncodeOptional(json::Object& object, const char* name, const std::optional<T>& value) {
  if (value) object.Append(name, Encode(*value));
}

}  // namespace davit::qapi
