// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The members of Object and Value that are not one line.
#include "schema/runtime/json/value.h"

#include <algorithm>
#include <limits>

namespace davit::json {

Object::Object(std::initializer_list<Member> members) {
  members_.reserve(members.size());
  for (const Member& member : members) Set(member.first, member.second);
}

const Value* Object::Find(std::string_view name) const {
  for (const Member& member : members_) {
    if (member.first == name) return &member.second;
  }
  return nullptr;
}

Value* Object::Find(std::string_view name) {
  return const_cast<Value*>(std::as_const(*this).Find(name));
}

Value& Object::Set(std::string name, Value value) {
  if (Value* old = Find(name)) {
    *old = std::move(value);
    return *old;
  }
  return members_.emplace_back(std::move(name), std::move(value)).second;
}

Value& Object::Append(std::string name, Value value) {
  return members_.emplace_back(std::move(name), std::move(value)).second;
}

bool Object::Erase(std::string_view name) {
  const auto it = std::find_if(members_.begin(), members_.end(),
                               [&](const Member& member) { return member.first == name; });
  if (it == members_.end()) return false;
  members_.erase(it);
  return true;
}

// JSON objects are unordered: equal when they hold the same members in any order.
bool operator==(const Object& a, const Object& b) {
  if (a.members_.size() != b.members_.size()) return false;
  for (size_t i = 0; i < a.members_.size(); ++i) {
    const Member& member = a.members_[i];
    const Value* other =
        b.members_[i].first == member.first ? &b.members_[i].second : b.Find(member.first);
    if (other == nullptr || !(*other == member.second)) return false;
  }
  return true;
}

Value::Value(uint64_t n) {
  if (n <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    v_ = static_cast<int64_t>(n);
  } else {
    v_ = n;
  }
}

const Value& Value::operator[](std::string_view name) const {
  static const Value kNull;
  const Object* object = AsObject();
  const Value* member = object == nullptr ? nullptr : object->Find(name);
  return member == nullptr ? kNull : *member;
}

bool operator==(const Value& a, const Value& b) { return a.v_ == b.v_; }

}  // namespace davit::json
