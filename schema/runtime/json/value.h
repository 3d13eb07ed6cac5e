// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A JSON value as a plain tree: objects keep the order of their members, integers keep their
// full range (int64 or uint64, as QEMU's QNum). RapidJSON does the text (json.h) and is not seen
// here. No thread rules: a value type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// g++ 12 takes the variant of a moved-from Value for uninitialized wherever it inlines the move.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

namespace davit::json {

class Value;
using Array = std::vector<Value>;
using Member = std::pair<std::string, Value>;

// An ordered map; Set() replaces in place, Find() is linear (QMP objects are small).
class Object {
 public:
  // Out of line where Value must be complete.
  Object();
  Object(std::initializer_list<Member> members);
  Object(const Object&);
  Object(Object&&) noexcept;
  Object& operator=(const Object&);
  Object& operator=(Object&&) noexcept;
  ~Object();

  const Value* Find(std::string_view name) const;
  Value* Find(std::string_view name);
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  Value& Set(std::string name, Value value);  // adds or replaces
  // Adds without looking for `name`: for encoders, whose names are distinct by construction.
  Value& Append(std::string name, Value value);
  bool Erase(std::string_view name);
  const std::vector<Member>& members() const { return members_; }
  std::vector<Member>& members() { return members_; }
  bool empty() const;
  size_t size() const;
  friend bool operator==(const Object&, const Object&);

 private:
  std::vector<Member> members_;
};

enum class Type : uint8_t { kNull, kBool, kInt, kUint, kDouble, kString, kArray, kObject };

class Value {
 public:
  Value() = default;                                 // null
  Value(std::nullptr_t) {}                           // NOLINT: implicit on purpose, all below
  Value(bool b) : v_(b) {}                           // NOLINT
  Value(int n) : v_(int64_t{n}) {}                   // NOLINT
  Value(unsigned n) : v_(int64_t{n}) {}              // NOLINT
  Value(int64_t n) : v_(n) {}                        // NOLINT
  Value(uint64_t n);                                 // NOLINT: kInt when it fits int64
  Value(double d) : v_(d) {}                         // NOLINT
  Value(const char* s) : v_(std::string(s)) {}       // NOLINT
  Value(std::string_view s) : v_(std::string(s)) {}  // NOLINT
  Value(std::string s) : v_(std::move(s)) {}         // NOLINT
  Value(Array a) : v_(std::move(a)) {}               // NOLINT
  Value(Object o) : v_(std::move(o)) {}              // NOLINT

  Type type() const { return static_cast<Type>(v_.index()); }
  bool is_null() const { return type() == Type::kNull; }
  bool is_bool() const { return type() == Type::kBool; }
  bool is_integer() const { return type() == Type::kInt || type() == Type::kUint; }
  bool is_number() const { return is_integer() || type() == Type::kDouble; }
  bool is_string() const { return type() == Type::kString; }
  bool is_array() const { return type() == Type::kArray; }
  bool is_object() const { return type() == Type::kObject; }

  // Null when the type is another one.
  const bool* AsBool() const { return std::get_if<bool>(&v_); }
  const int64_t* AsInt() const { return std::get_if<int64_t>(&v_); }
  const uint64_t* AsUint() const { return std::get_if<uint64_t>(&v_); }  // only above INT64_MAX
  const double* AsDouble() const { return std::get_if<double>(&v_); }
  const std::string* AsString() const { return std::get_if<std::string>(&v_); }
  const Array* AsArray() const { return std::get_if<Array>(&v_); }
  const Object* AsObject() const { return std::get_if<Object>(&v_); }
  Array* AsArray() { return std::get_if<Array>(&v_); }
  Object* AsObject() { return std::get_if<Object>(&v_); }

  // Shorthand of tests and clients: member of an object, null Value when absent or no object.
  const Value& operator[](std::string_view name) const;

  friend bool operator==(const Value&, const Value&);

 private:
  std::variant<std::nullptr_t, bool, int64_t, uint64_t, double, std::string, Array, Object> v_;
};

inline Object::Object() = default;
inline Object::Object(const Object&) = default;
inline Object::Object(Object&&) noexcept = default;
inline Object& Object::operator=(const Object&) = default;
inline Object& Object::operator=(Object&&) noexcept = default;
inline Object::~Object() = default;
inline bool Object::empty() const { return members_.empty(); }
inline size_t Object::size() const { return members_.size(); }

}  // namespace davit::json
