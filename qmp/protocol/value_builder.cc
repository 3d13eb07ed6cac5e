// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Recursive descent over the tokens of a message (at most kMaxNesting deep). The first error wins.
#include "qmp/protocol/value_builder.h"

#include <charconv>
#include <cstdlib>
#include <unordered_set>
#include <utility>

#include "qmp/protocol/utf8.h"

namespace davit::qmp {
namespace {

// The four hex digits at the start of `text`.
std::optional<uint32_t> Hex4(std::string_view text) {
  uint32_t value = 0;
  if (text.size() < 4) return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, value, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  return value;
}

class Builder {
 public:
  Builder(std::span<const Token> tokens, std::string_view text) : tokens_(tokens), text_(text) {}

  Result<json::Value> Build() {
    json::Value value;
    if (!Value(value)) return Fail(std::move(error_));
    return value;
  }

 private:
  bool Failed(std::string_view reason) {
    error_ = ParseError(reason.substr(0, kMaxReason));
    return false;
  }
  const Token* Peek() const { return at_ < tokens_.size() ? &tokens_[at_] : nullptr; }
  bool PeekIs(TokenType type) const { return at_ < tokens_.size() && tokens_[at_].type == type; }
  std::string_view TextOf(const Token& token) const {
    return text_.substr(token.offset, token.length);
  }

  bool Value(json::Value& out);
  bool Object(json::Value& out);
  bool Pair(json::Object& object);
  bool Array(json::Value& out);
  bool Keyword(std::string_view word, json::Value& out);
  static json::Value Number(std::string_view digits, bool integer);
  bool String(std::string_view quoted, std::string& out);
  bool Escape(std::string_view raw, size_t& at, std::string& out);
  bool UnicodeEscape(std::string_view raw, size_t& at, std::string& out);
  bool IsNew(const json::Object& object, std::string_view key);

  static constexpr size_t kMaxReason = 1023;  // where QEMU cuts it

  std::span<const Token> tokens_;
  std::string_view text_;
  size_t at_ = 0;
  Error error_;
  // Keys of the large objects being built, so that many members cost no quadratic search.
  static constexpr size_t kSmallObject = 16;
  using KeySet = std::unordered_set<std::string>;
  KeySet* keys_ = nullptr;
};

bool Builder::Value(json::Value& out) {
  const Token* token = Peek();
  if (token == nullptr) return Failed("premature EOI");
  ++at_;
  switch (token->type) {
    case TokenType::kLeftBrace:
      return Object(out);
    case TokenType::kLeftBracket:
      return Array(out);
    case TokenType::kKeyword:
      return Keyword(TextOf(*token), out);
    case TokenType::kInteger:
      out = Number(TextOf(*token), true);
      return true;
    case TokenType::kFloat:
      out = Number(TextOf(*token), false);
      return true;
    case TokenType::kString: {
      std::string text;
      if (!String(TextOf(*token), text)) return false;
      out = std::move(text);
      return true;
    }
    default:
      return Failed("expecting value");
  }
}

bool Builder::IsNew(const json::Object& object, std::string_view key) {
  if (object.size() < kSmallObject) return !object.Has(key);
  if (keys_->empty()) {
    for (const json::Member& member : object.members()) keys_->insert(member.first);
  }
  return keys_->insert(std::string(key)).second;
}

bool Builder::Pair(json::Object& object) {
  if (Peek() == nullptr) return Failed("premature EOI");
  json::Value key;
  if (!Value(key)) return false;
  if (!key.is_string()) return Failed("key is not a string in object");
  if (!PeekIs(TokenType::kColon)) return Failed("missing : in object pair");
  ++at_;
  json::Value value;
  if (!Value(value)) return false;
  if (!IsNew(object, *key.AsString())) return Failed("duplicate key");
  object.members().emplace_back(*key.AsString(), std::move(value));
  return true;
}

bool Builder::Object(json::Value& out) {
  json::Object object;
  if (PeekIs(TokenType::kRightBrace)) {
    ++at_;
    out = std::move(object);
    return true;
  }
  KeySet keys;
  KeySet* const outer = keys_;
  while (true) {
    keys_ = &keys;
    if (!Pair(object)) return false;
    if (Peek() == nullptr) return Failed("premature EOI");
    if (PeekIs(TokenType::kRightBrace)) break;
    if (!PeekIs(TokenType::kComma)) return Failed("expected separator in dict");
    ++at_;
  }
  ++at_;
  keys_ = outer;
  out = std::move(object);
  return true;
}

bool Builder::Array(json::Value& out) {
  json::Array array;
  if (PeekIs(TokenType::kRightBracket)) {
    ++at_;
    out = std::move(array);
    return true;
  }
  while (true) {
    if (!Value(array.emplace_back())) return false;
    if (Peek() == nullptr) return Failed("premature EOI");
    if (PeekIs(TokenType::kRightBracket)) break;
    if (!PeekIs(TokenType::kComma)) return Failed("expected separator in list");
    ++at_;
  }
  ++at_;
  out = std::move(array);
  return true;
}

bool Builder::Keyword(std::string_view word, json::Value& out) {
  if (word == "true") {
    out = true;
  } else if (word == "false") {
    out = false;
  } else if (word == "null") {
    out = nullptr;
  } else {
    return Failed("invalid keyword '" + QuoteToken(word) + "'");
  }
  return true;
}

json::Value Builder::Number(std::string_view digits, bool integer) {
  const char* const begin = digits.data();
  const char* const end = begin + digits.size();
  if (integer) {
    int64_t value = 0;
    if (std::from_chars(begin, end, value).ec == std::errc()) return value;
    uint64_t large = 0;
    if (digits[0] != '-' && std::from_chars(begin, end, large).ec == std::errc()) return large;
  }
  double real = 0;
  if (std::from_chars(begin, end, real).ec == std::errc()) return real;
  return std::strtod(std::string(digits).c_str(), nullptr);  // out of range: infinity or zero
}

// The character that stands for itself or another after a backslash; 0: none.
char PlainEscape(char c) {
  switch (c) {
    case '"':
    case '\'':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return 0;
  }
}

// raw[at] is the 'u'.
bool Builder::UnicodeEscape(std::string_view raw, size_t& at, std::string& out) {
  const size_t start = at - 1;
  std::optional<uint32_t> code_point = Hex4(raw.substr(at + 1));
  size_t length = 6;
  if (code_point && *code_point >= 0xd800 && *code_point < 0xdc00 &&
      raw.substr(start + 6, 2) == "\\u") {
    const std::optional<uint32_t> low = Hex4(raw.substr(start + 8));
    if (low && *low >= 0xdc00 && *low < 0xe000) {
      code_point = 0x10000 + ((*code_point & 0x3ff) << 10 | (*low & 0x3ff));
      length = 12;
    }
  }
  if (!code_point || !IsValidCodePoint(*code_point)) {
    return Failed(QuoteToken(raw.substr(start, length)) + " is not a valid Unicode character");
  }
  AppendUtf8(out, *code_point);
  at = start + length;
  return true;
}

// raw[at] is the byte after a backslash.
bool Builder::Escape(std::string_view raw, size_t& at, std::string& out) {
  if (raw[at] == 'u') return UnicodeEscape(raw, at, out);
  const char plain = PlainEscape(raw[at]);
  if (plain == 0) return Failed("invalid escape sequence in string");
  out += plain;
  ++at;
  return true;
}

bool Builder::String(std::string_view quoted, std::string& out) {
  const size_t end = quoted.size() - 1;  // the closing quote; escapes may quote it in an error
  for (size_t at = 1; at < end;) {
    const size_t run = at;
    while (at < end && quoted[at] != '\\' && static_cast<uint8_t>(quoted[at]) < 0x80) ++at;
    out.append(quoted.substr(run, at - run));
    if (at == end) break;
    if (quoted[at] == '\\') {
      if (!Escape(quoted, ++at, out)) return false;
      continue;
    }
    const CodePoint code_point = DecodeUtf8(quoted.substr(at, end - at));
    if (!code_point.value) return Failed("invalid UTF-8 sequence in string");
    AppendUtf8(out, *code_point.value);
    at += code_point.length;
  }
  return true;
}

}  // namespace

Result<json::Value> BuildValue(std::span<const Token> tokens, std::string_view text) {
  return Builder(tokens, text).Build();
}

std::string QuoteToken(std::string_view bytes) {
  constexpr size_t kMost = 4096;
  bytes = bytes.substr(0, bytes.find('\0')).substr(0, kMost);
  std::string out;
  while (!bytes.empty()) {
    const CodePoint code_point = DecodeUtf8(bytes);
    AppendUtf8(out, code_point.value.value_or(0xfffd));
    bytes.remove_prefix(code_point.length);
  }
  return out;
}

}  // namespace davit::qmp
