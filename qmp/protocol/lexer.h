// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens of a QMP client's JSON stream, in the dialect of QEMU 7.2: RFC 8259 plus strings in single
// quotes. Works on chunks: a token may begin in one and end in another. Bytes that fit nowhere are
// a kError token; after one, input is skipped up to a byte where a message can begin again: a
// structural character, a control character other than tab, or 0xFE/0xFF (which no UTF-8 text
// holds, so that a client can force a reset with them). No thread rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace davit::qmp {

enum class TokenType : uint8_t {
  kLeftBrace,
  kRightBrace,
  kLeftBracket,
  kRightBracket,
  kColon,
  kComma,
  kInteger,
  kFloat,
  kKeyword,
  kString,   // text includes the quotes; escapes are as sent
  kError,    // text is what was read of the token, with the offending byte
  kTooLong,  // a token that passed kMaxTokenBytes; text is empty
};

class Lexer {
 public:
  static constexpr size_t kMaxTokenBytes = 64u << 20;

  struct Step {
    size_t consumed = 0;  // bytes of the chunk; the byte after a number or keyword is not
    bool complete = false;
    TokenType type = TokenType::kError;
  };
  // Reads up to the end of one token or of the chunk. Appends the token's bytes to `text`, which
  // the caller must leave alone until the token is complete.
  Step Next(std::string_view chunk, std::string& text);

  // Inside a token (white space and skipped garbage are none).
  bool in_token() const { return state_ != State::kStart && state_ != State::kRecovery; }
  void Reset() { *this = Lexer(); }

 private:
  enum class State : uint8_t {
    kStart,
    kRecovery,
    kString,        // between quote_ and quote_
    kStringEscape,  // after a backslash
    kMinus,
    kZero,
    kDigits,
    kPoint,
    kFraction,
    kExponent,
    kExponentSign,
    kExponentDigits,
    kKeyword,
  };

  Step Begin(std::string_view chunk, size_t at, std::string& text);
  Step InString(std::string_view chunk, size_t at, std::string& text);
  Step InNumber(std::string_view chunk, size_t at, std::string& text);
  Step InKeyword(std::string_view chunk, size_t at, std::string& text);
  Step Finish(size_t consumed, TokenType type);
  Step Fail(std::string_view chunk, size_t at, std::string& text);
  bool Append(std::string_view run, std::string& text);

  State state_ = State::kStart;
  char quote_ = 0;
  size_t length_ = 0;  // bytes of the token so far
};

}  // namespace davit::qmp
