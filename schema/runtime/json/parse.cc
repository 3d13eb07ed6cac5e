// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Parse(): RapidJSON's SAX reader (iterative, so that the nesting of the text costs no stack)
// builds the tree bottom-up on a vector of open containers. Limits are checked as the text
// is read, before memory is spent on what is beyond them.
#include <fmt/format.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <unordered_set>

#include "schema/runtime/json/json.h"

namespace davit::json {
namespace {

// From this many members on, duplicates are looked for in a hash set.
constexpr size_t kLinearMembers = 16;

// `text` has the form of a JSON number. Integers that fit no 64 bits are doubles. False: infinite.
bool ParseNumber(std::string_view text, Value& out) {
  const char* const end = text.data() + text.size();
  if (text.find_first_of(".eE") == std::string_view::npos) {
    int64_t n = 0;
    if (std::from_chars(text.data(), end, n).ec == std::errc()) {
      out = n;
      return true;
    }
    uint64_t u = 0;
    if (text[0] != '-' && std::from_chars(text.data(), end, u).ec == std::errc()) {
      out = u;
      return true;
    }
  }
  double d = 0;
  if (std::from_chars(text.data(), end, d).ec != std::errc()) {
    // Out of range: too big, or so small that it is zero.
    d = std::strtod(std::string(text).c_str(), nullptr);
  }
  out = d;
  return std::isfinite(d);
}

class TreeBuilder {
 public:
  explicit TreeBuilder(size_t max_depth) : max_depth_(max_depth) {}

  bool Null() { return Add(Value()); }
  bool Bool(bool b) { return Add(Value(b)); }
  bool RawNumber(const char* s, rapidjson::SizeType n, bool) {
    Value value;
    if (!ParseNumber({s, n}, value)) {
      error_ = fmt::format("number {} is too big", std::string_view(s, n));
      return false;
    }
    return Add(std::move(value));
  }
  // Numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }
  bool String(const char* s, rapidjson::SizeType n, bool) { return Add(Value(std::string(s, n))); }
  bool StartObject() { return Open(Value(Object())); }
  bool StartArray() { return Open(Value(Array())); }
  bool EndObject(rapidjson::SizeType) { return Close(); }
  bool EndArray(rapidjson::SizeType) { return Close(); }

  bool Key(const char* s, rapidjson::SizeType n, bool) {
    Frame& frame = stack_.back();
    frame.key.assign(s, n);
    if (IsDuplicate(frame)) {
      error_ = fmt::format("duplicate key '{}'", frame.key);
      return false;
    }
    return true;
  }

  const std::string& error() const { return error_; }
  Value TakeRoot() { return std::move(root_); }

 private:
  struct Frame {
    Value container;
    std::string key;                        // of the member that is being read
    std::unordered_set<std::string> names;  // filled from kLinearMembers on
  };

  static bool IsDuplicate(Frame& frame) {
    const Object& object = *frame.container.AsObject();
    if (object.size() < kLinearMembers) return object.Has(frame.key);
    if (frame.names.empty()) {
      for (const Member& member : object.members()) frame.names.insert(member.first);
    }
    return !frame.names.insert(frame.key).second;
  }

  bool Add(Value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Frame& frame = stack_.back();
    if (Array* array = frame.container.AsArray()) {
      array->push_back(std::move(value));
    } else {
      frame.container.AsObject()->Append(std::move(frame.key), std::move(value));
    }
    return true;
  }

  bool Open(Value container) {
    if (stack_.size() >= max_depth_) {
      error_ = fmt::format("nesting is deeper than {}", max_depth_);
      return false;
    }
    stack_.push_back(Frame{std::move(container), {}, {}});
    return true;
  }

  bool Close() {
    Value done = std::move(stack_.back().container);
    stack_.pop_back();
    return Add(std::move(done));
  }

  const size_t max_depth_;
  std::vector<Frame> stack_;
  Value root_;
  std::string error_;
};

}  // namespace

Result<Value> Parse(std::string_view text, const ParseLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return Fail(fmt::format("JSON parse error: text of {} bytes is longer than {}", text.size(),
                            limits.max_bytes));
  }
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                              rapidjson::kParseNumbersAsStringsFlag |
                              rapidjson::kParseValidateEncodingFlag;
  TreeBuilder builder(limits.max_depth);
  rapidjson::MemoryStream raw(text.data(), text.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(raw);
  rapidjson::Reader reader;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream, builder);
  if (result.IsError()) {
    const std::string reason =
        builder.error().empty() ? rapidjson::GetParseError_En(result.Code()) : builder.error();
    return Fail(fmt::format("JSON parse error at offset {}: {}", result.Offset(), reason));
  }
  // The stream ends at the first zero byte as at the end of the text.
  if (raw.Tell() < text.size()) {
    return Fail(fmt::format("JSON parse error at offset {}: zero byte", raw.Tell()));
  }
  return builder.TakeRoot();
}

}  // namespace davit::json
