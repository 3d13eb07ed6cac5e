// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The faults and the scalar types. kOptions parses the texts of -object key=value as QEMU's option
// visitor does: C integer literals, sizes with a suffix, on/off words, ranges in integer lists.
#include "schema/runtime/decoder.h"

#include <fmt/format.h>

#include <cstdlib>
#include <limits>

#include "schema/runtime/number_text.h"

namespace davit::qapi {
namespace {

// In kOptions a repeated key is a list; for a scalar the last one counts.
const std::string* OptionText(const json::Value& value) {
  const json::Array* array = value.AsArray();
  if (array != nullptr) return array->empty() ? nullptr : array->back().AsString();
  return value.AsString();
}

const char* NameOrNull(std::string_view name, std::string& storage) {
  if (name.data() == nullptr) return "null";
  storage = name;
  return storage.c_str();
}

}  // namespace

std::string Decoder::FullName(std::string_view name) const {
  std::string full;
  for (const Frame* frame = top_; frame != nullptr; frame = frame->up) {
    if (frame->is_list) {
      full.insert(0, fmt::format("[{}]", frame->index));
    } else {
      full.insert(0, fmt::format(".{}", name.data() == nullptr ? "<anonymous>" : name));
    }
    name = frame->name;
  }
  if (name.data() != nullptr) return std::string(name) + full;
  if (full.empty()) return "<anonymous>";
  if (full[0] == '.') full.erase(0, 1);
  return full;
}

bool Decoder::FailText(std::string text) {
  error_ = std::move(text);
  return false;
}

bool Decoder::FailType(std::string_view name, const char* expected) {
  return FailText(
      fmt::format("Invalid parameter type for '{}', expected: {}", FullName(name), expected));
}

bool Decoder::FailAlternate(std::string_view name, const char* type_name) {
  std::string storage;
  return FailText(fmt::format("Invalid parameter type for '{}', expected: {}",
                              NameOrNull(name, storage), type_name));
}

bool Decoder::FailRange(std::string_view name, const char* expected) {
  std::string storage;
  return FailText(fmt::format("Parameter '{}' expects {}", NameOrNull(name, storage), expected));
}

bool Decoder::ReadBool(const json::Value& value, std::string_view name, bool& out) {
  if (mode_ == DecodeMode::kOptions) {
    const std::string* text = OptionText(value);
    for (const char* word : {"on", "yes", "true", "y"}) {
      if (text != nullptr && *text == word) return out = true;
    }
    for (const char* word : {"off", "no", "false", "n"}) {
      if (text != nullptr && *text == word) return out = false, true;
    }
    return FailRange(name, "'on' or 'off'");
  }
  const bool* b = value.AsBool();
  if (b == nullptr) return FailType(name, "boolean");
  out = *b;
  return true;
}

bool Decoder::ReadInt(const json::Value& value, std::string_view name, int64_t& out) {
  if (const int64_t* n = value.AsInt()) {
    out = *n;
    return true;
  }
  if (mode_ != DecodeMode::kOptions) return FailType(name, "integer");
  const std::string* text = OptionText(value);
  const char* end = nullptr;
  if (text == nullptr || !ParseIntText(text->c_str(), &end, out) || *end != '\0') {
    return FailRange(name, "an int64 value");
  }
  return true;
}

bool Decoder::ReadIntIn(const json::Value& value, std::string_view name, int64_t low, int64_t high,
                        const char* c_type, int64_t& out) {
  if (!ReadInt(value, name, out)) return false;
  return (out >= low && out <= high) || FailRange(name, c_type);
}

bool Decoder::ReadUint(const json::Value& value, std::string_view name, uint64_t& out) {
  if (const int64_t* n = value.AsInt()) {
    out = static_cast<uint64_t>(*n);
    return true;
  }
  if (const uint64_t* n = value.AsUint()) {
    out = *n;
    return true;
  }
  if (mode_ != DecodeMode::kOptions) {
    return FailText(fmt::format("Parameter '{}' expects uint64", FullName(name)));
  }
  const std::string* text = OptionText(value);
  const char* end = nullptr;
  if (text == nullptr || !ParseUintText(text->c_str(), &end, out) || *end != '\0') {
    return FailRange(name, "a uint64 value");
  }
  return true;
}

bool Decoder::ReadUintTo(const json::Value& value, std::string_view name, uint64_t high,
                         const char* c_type, uint64_t& out) {
  if (!ReadUint(value, name, out)) return false;
  return out <= high || FailRange(name, c_type);
}

bool Decoder::ReadSize(const json::Value& value, std::string_view name, uint64_t& out) {
  if (mode_ != DecodeMode::kOptions) return ReadUint(value, name, out);
  const std::string* text = OptionText(value);
  if (text == nullptr || !ParseSizeText(*text, out)) return FailRange(name, "a size value");
  return true;
}

bool Decoder::ReadNumber(const json::Value& value, std::string_view name, double& out) {
  if (const double* d = value.AsDouble()) {
    out = *d;
  } else if (const int64_t* n = value.AsInt()) {
    out = static_cast<double>(*n);
  } else if (const uint64_t* u = value.AsUint()) {
    out = static_cast<double>(*u);
  } else if (const std::string* text = OptionText(value);
             mode_ == DecodeMode::kOptions && text != nullptr) {
    char* end = nullptr;
    out = std::strtod(text->c_str(), &end);
    if (text->empty() || *end != '\0') return FailRange(name, "a number");
  } else {
    return FailType(name, "number");
  }
  return true;
}

bool Decoder::ReadString(const json::Value& value, std::string_view name, std::string& out) {
  const std::string* text = mode_ == DecodeMode::kOptions ? OptionText(value) : value.AsString();
  if (text == nullptr) return FailType(name, "string");
  out = *text;
  return true;
}

bool Decoder::ReadNull(const json::Value& value, std::string_view name) {
  return value.is_null() || FailType(name, "null");
}

bool Decoder::ReadEnum(const json::Value& value, std::string_view name,
                       std::span<const std::string_view> names, size_t& index) {
  const std::string* text = mode_ == DecodeMode::kOptions ? OptionText(value) : value.AsString();
  if (text == nullptr) return FailType(name, "string");
  for (index = 0; index < names.size(); ++index) {
    if (names[index] == *text) return true;
  }
  std::string storage;
  return FailText(
      fmt::format("Parameter '{}' does not accept value '{}'", NameOrNull(name, storage), *text));
}

bool Decoder::ExpandRange(const json::Value& value, std::string_view list, json::Array& out) {
  // As many elements as a single range may stand for; QEMU's limit.
  constexpr int64_t kMaxRange = 65536;
  const std::string* text = value.AsString();
  const char* end = nullptr;
  int64_t low = 0;
  int64_t high = 0;
  if (text == nullptr || !ParseIntText(text->c_str(), &end, low)) {
    return FailRange(list, "a uint64 value or range");
  }
  high = low;
  if (*end == '-' && !ParseIntText(end + 1, &end, high)) {
    return FailRange(list, "a uint64 value or range");
  }
  if (*end != '\0' || high < low || low < 0 || high - low >= kMaxRange) {
    return FailRange(list, "a uint64 value or range");
  }
  for (int64_t n = low; n <= high; ++n) out.push_back(n);
  return true;
}

ObjectScope::ObjectScope(Decoder& decoder, const json::Value& value, std::string_view name)
    : decoder_(decoder), object_(value.AsObject()) {
  if (object_ == nullptr) decoder.FailType(name, "object");
  frame_.up = decoder_.top_;
  frame_.name = name;
  decoder_.top_ = &frame_;
}

ObjectScope::ObjectScope(Decoder& decoder, const json::Object& object, std::string_view name)
    : decoder_(decoder), object_(&object) {
  frame_.up = decoder_.top_;
  frame_.name = name;
  decoder_.top_ = &frame_;
}

const json::Value* ObjectScope::Find(std::string_view name) {
  const std::vector<json::Member>& members = object_->members();
  size_t index = next_;
  if (index >= members.size() || members[index].first != name) {
    for (index = 0; index < members.size() && members[index].first != name; ++index) {
    }
    if (index == members.size()) return nullptr;
  }
  next_ = index + 1;
  if (!Seen(index)) {
    ++found_;
    if (index < 64) {
      seen_ |= uint64_t{1} << index;
    } else {
      more_.resize(members.size() - 64);
      more_[index - 64] = true;
    }
  }
  return &members[index].second;
}

bool ObjectScope::Seen(size_t index) const {
  if (index < 64) return (seen_ >> index & 1) != 0;
  return index - 64 < more_.size() && more_[index - 64];
}

bool ObjectScope::FailMissing(std::string_view name) {
  return decoder_.FailText(fmt::format("Parameter '{}' is missing", decoder_.FullName(name)));
}

bool ObjectScope::Finish() {
  if (found_ == object_->size() || decoder_.mode() == DecodeMode::kLenient) return true;
  size_t index = 0;
  while (Seen(index)) ++index;
  const std::string name = decoder_.FullName(object_->members()[index].first);
  if (decoder_.mode() == DecodeMode::kOptions) {
    return decoder_.FailText(fmt::format("Invalid parameter '{}'", name));
  }
  return decoder_.FailText(fmt::format("Parameter '{}' is unexpected", name));
}

ListScope::ListScope(Decoder& decoder, const json::Value& value, std::string_view name,
                     bool integers)
    : decoder_(decoder), array_(value.AsArray()) {
  ok_ = array_ != nullptr;
  if (decoder.mode() == DecodeMode::kOptions) {
    const json::Array single{value};
    const json::Array& source = array_ != nullptr ? *array_ : single;
    ok_ = true;
    for (const json::Value& element : source) {
      if (!integers) {
        expanded_.push_back(element);
      } else if (ok_) {
        ok_ = decoder.ExpandRange(element, name, expanded_);
      }
    }
    array_ = &expanded_;
  } else if (!ok_) {
    decoder.FailType(name, "array");
  }
  frame_.up = decoder_.top_;
  frame_.name = name;
  frame_.is_list = true;
  decoder_.top_ = &frame_;
}

}  // namespace davit::qapi
