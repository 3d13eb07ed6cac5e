// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Decoder walks a json::Value along a schema type; generated DecodeValue/DecodeMembers functions
// drive it. It stops at the first fault, whose text is QEMU 7.2's (input visitors): the place is
// spelled "a.b[0].c" in most of them, but only the last name ("null" for a list element) where QEMU
// does so. No allocation until there is a fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::qapi {

enum class DecodeMode : uint8_t {
  kStrict,   // what a client sends: exact types, no unknown member
  kLenient,  // what a server sends: unknown members are skipped
  kOptions,  // a flat object of strings from key=value,...: numbers, sizes ("1.5G"), on/off
};

class Decoder {
 public:
  explicit Decoder(DecodeMode mode = DecodeMode::kStrict) : mode_(mode) {}
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  DecodeMode mode() const { return mode_; }
  // After a function returned false.
  Error TakeError() { return Error{ErrorCode::kGeneric, std::move(error_), {}}; }

  // `name` is the member's; a null one (default-constructed) means an element of a list or the
  // whole. False: fault. Integers outside int64/uint64 are no integers (they are JSON doubles).
  bool ReadBool(const json::Value& value, std::string_view name, bool& out);
  bool ReadInt(const json::Value& value, std::string_view name, int64_t& out);
  // Range of a narrower type that QEMU calls `c_type` ("uint8_t").
  bool ReadIntIn(const json::Value& value, std::string_view name, int64_t low, int64_t high,
                 const char* c_type, int64_t& out);
  // As in QEMU, a negative integer stands for the one that has the same bits.
  bool ReadUint(const json::Value& value, std::string_view name, uint64_t& out);
  bool ReadUintTo(const json::Value& value, std::string_view name, uint64_t high,
                  const char* c_type, uint64_t& out);
  bool ReadSize(const json::Value& value, std::string_view name, uint64_t& out);
  bool ReadNumber(const json::Value& value, std::string_view name, double& out);
  bool ReadString(const json::Value& value, std::string_view name, std::string& out);
  bool ReadNull(const json::Value& value, std::string_view name);
  // The index of the string in `names`.
  bool ReadEnum(const json::Value& value, std::string_view name,
                std::span<const std::string_view> names, size_t& index);

  // The fault of an alternate whose value has none of its types.
  bool FailAlternate(std::string_view name, const char* type_name);
  bool FailType(std::string_view name, const char* expected);

  // Integers may stand for ranges ("0-3") in kOptions lists.
  bool ExpandRange(const json::Value& value, std::string_view list, json::Array& out);

 private:
  friend class ObjectScope;
  friend class ListScope;
  struct Frame {
    const Frame* up = nullptr;
    std::string_view name;
    bool is_list = false;
    size_t index = 0;
  };

  std::string FullName(std::string_view name) const;
  bool FailText(std::string text);
  bool FailRange(std::string_view name, const char* expected);

  const DecodeMode mode_;
  const Frame* top_ = nullptr;
  std::string error_;
};

// While an object's members are read.
class ObjectScope {
 public:
  ObjectScope(Decoder& decoder, const json::Value& value, std::string_view name);
  ObjectScope(Decoder& decoder, const json::Object& object, std::string_view name);
  ~ObjectScope() { decoder_.top_ = frame_.up; }
  ObjectScope(const ObjectScope&) = delete;
  ObjectScope& operator=(const ObjectScope&) = delete;

  explicit operator bool() const { return object_ != nullptr; }
  // Null when absent; marks it as known.
  const json::Value* Find(std::string_view name);
  bool FailMissing(std::string_view name);
  // False (fault): the object has a member that Find() was not asked for.
  bool Finish();

 private:
  bool Seen(size_t index) const;

  Decoder& decoder_;
  Decoder::Frame frame_;
  const json::Object* object_ = nullptr;
  size_t found_ = 0;
  size_t next_ = 0;         // where to look first: clients mostly send members in schema order
  uint64_t seen_ = 0;       // members 0..63
  std::vector<bool> more_;  // from 64 on
};

// While a list's elements are read.
class ListScope {
 public:
  ListScope(Decoder& decoder, const json::Value& value, std::string_view name, bool integers);
  ~ListScope() { decoder_.top_ = frame_.up; }
  ListScope(const ListScope&) = delete;
  ListScope& operator=(const ListScope&) = delete;

  explicit operator bool() const { return ok_; }
  size_t size() const { return array_->size(); }
  const json::Value& Element(size_t index) {
    frame_.index = index;
    return (*array_)[index];
  }

 private:
  Decoder& decoder_;
  Decoder::Frame frame_;
  json::Array expanded_;  // kOptions
  const json::Array* array_ = nullptr;
  bool ok_ = false;
};

}  // namespace davit::qapi
