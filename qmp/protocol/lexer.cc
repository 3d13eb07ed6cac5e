// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The states of a token and where each byte leads.
#include "qmp/protocol/lexer.h"

#include <array>

namespace davit::qmp {
namespace {

enum Class : uint8_t {
  kSpace = 1,  // skipped between tokens
  kDigit = 2,
  kLower = 4,
  kInString = 8,  // may stand in a string (quotes and backslash have their own meaning)
  kRestart = 16,  // ends the skipping after an error
};

constexpr std::array<uint8_t, 256> MakeClasses() {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    uint8_t bits = 0;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') bits |= kSpace;
    if (c >= '0' && c <= '9') bits |= kDigit;
    if (c >= 'a' && c <= 'z') bits |= kLower;
    if (c >= 0x20 && c <= 0xfd) bits |= kInString;
    if ((c < 0x20 && c != '\t') || c >= 0xfe) bits |= kRestart;
    if (c == '{' || c == '}' || c == '[' || c == ']' || c == ':' || c == ',') bits |= kRestart;
    classes[static_cast<size_t>(c)] = bits;
  }
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = MakeClasses();

bool Is(char c, uint8_t classes) { return (kClasses[static_cast<uint8_t>(c)] & classes) != 0; }

}  // namespace

// False: the token is too long now.
bool Lexer::Append(std::string_view run, std::string& text) {
  length_ += run.size();
  if (length_ > kMaxTokenBytes) return false;
  text.append(run);
  return true;
}

Lexer::Step Lexer::Finish(size_t consumed, TokenType type) {
  if (type == TokenType::kError) {
    state_ = State::kRecovery;
  } else {
    state_ = State::kStart;
  }
  length_ = 0;
  return {consumed, true, type};
}

// The byte at `at` fits nowhere.
Lexer::Step Lexer::Fail(std::string_view chunk, size_t at, std::string& text) {
  text += chunk[at];
  return Finish(at + 1, TokenType::kError);
}

Lexer::Step Lexer::Next(std::string_view chunk, std::string& text) {
  size_t at = 0;
  if (state_ == State::kRecovery) {
    while (at < chunk.size() && !Is(chunk[at], kRestart)) ++at;
    if (at == chunk.size()) return {at};
    state_ = State::kStart;
  }
  switch (state_) {
    case State::kStart:
      return Begin(chunk, at, text);
    case State::kString:
    case State::kStringEscape:
      return InString(chunk, at, text);
    case State::kKeyword:
      return InKeyword(chunk, at, text);
    default:
      return InNumber(chunk, at, text);
  }
}

Lexer::Step Lexer::Begin(std::string_view chunk, size_t at, std::string& text) {
  while (at < chunk.size() && Is(chunk[at], kSpace)) ++at;
  if (at == chunk.size()) return {at};
  const char c = chunk[at];
  switch (c) {
    case '{':
      return Finish(at + 1, TokenType::kLeftBrace);
    case '}':
      return Finish(at + 1, TokenType::kRightBrace);
    case '[':
      return Finish(at + 1, TokenType::kLeftBracket);
    case ']':
      return Finish(at + 1, TokenType::kRightBracket);
    case ':':
      return Finish(at + 1, TokenType::kColon);
    case ',':
      return Finish(at + 1, TokenType::kComma);
    case '"':
    case '\'':
      quote_ = c;
      state_ = State::kString;
      Append(chunk.substr(at, 1), text);
      return InString(chunk, at + 1, text);
    default:
      break;
  }
  if (Is(c, kLower)) {
    state_ = State::kKeyword;
    return InKeyword(chunk, at, text);
  }
  if (!Is(c, kDigit) && c != '-') return Fail(chunk, at, text);
  state_ = c == '-' ? State::kMinus : c == '0' ? State::kZero : State::kDigits;
  Append(chunk.substr(at, 1), text);
  return InNumber(chunk, at + 1, text);
}

Lexer::Step Lexer::InString(std::string_view chunk, size_t at, std::string& text) {
  while (at < chunk.size()) {
    const size_t start = at;
    if (state_ == State::kStringEscape) {
      if (!Is(chunk[at], kInString)) return Fail(chunk, at, text);
      state_ = State::kString;
      ++at;
    }
    while (at < chunk.size() && Is(chunk[at], kInString) && chunk[at] != quote_ &&
           chunk[at] != '\\') {
      ++at;
    }
    const bool more = at < chunk.size();
    const bool closed = more && chunk[at] == quote_;
    const bool escape = more && chunk[at] == '\\';
    if (closed || escape) ++at;
    const size_t room = kMaxTokenBytes - length_;
    if (!Append(chunk.substr(start, at - start), text)) {
      // The byte that is one too many ends the token, as if it had been read alone.
      return Finish(start + room + 1, TokenType::kTooLong);
    }
    if (closed) return Finish(at, TokenType::kString);
    if (escape) {
      state_ = State::kStringEscape;
    } else if (more) {
      return Fail(chunk, at, text);
    }
  }
  return {at};
}

Lexer::Step Lexer::InKeyword(std::string_view chunk, size_t at, std::string& text) {
  const size_t start = at;
  while (at < chunk.size() && Is(chunk[at], kLower)) ++at;
  const size_t room = kMaxTokenBytes - length_;
  if (!Append(chunk.substr(start, at - start), text)) {
    return Finish(start + room + 1, TokenType::kTooLong);
  }
  return at < chunk.size() ? Finish(at, TokenType::kKeyword) : Step{at};
}

Lexer::Step Lexer::InNumber(std::string_view chunk, size_t at, std::string& text) {
  for (; at < chunk.size(); ++at) {
    const char c = chunk[at];
    const bool digit = Is(c, kDigit);
    switch (state_) {
      case State::kMinus:
        if (!digit) return Fail(chunk, at, text);
        state_ = c == '0' ? State::kZero : State::kDigits;
        break;
      case State::kZero:
        if (digit) return Fail(chunk, at, text);
        if (c != '.') return Finish(at, TokenType::kInteger);
        state_ = State::kPoint;
        break;
      case State::kDigits:
        if (digit) break;
        if (c == '.') {
          state_ = State::kPoint;
        } else if (c == 'e' || c == 'E') {
          state_ = State::kExponent;
        } else {
          return Finish(at, TokenType::kInteger);
        }
        break;
      case State::kPoint:
        if (!digit) return Fail(chunk, at, text);
        state_ = State::kFraction;
        break;
      case State::kFraction:
        if (digit) break;
        if (c != 'e' && c != 'E') return Finish(at, TokenType::kFloat);
        state_ = State::kExponent;
        break;
      case State::kExponent:
        if (digit) {
          state_ = State::kExponentDigits;
        } else if (c == '+' || c == '-') {
          state_ = State::kExponentSign;
        } else {
          return Fail(chunk, at, text);
        }
        break;
      case State::kExponentSign:
        if (!digit) return Fail(chunk, at, text);
        state_ = State::kExponentDigits;
        break;
      default:  // kExponentDigits
        if (!digit) return Finish(at, TokenType::kFloat);
        break;
    }
    if (!Append(chunk.substr(at, 1), text)) return Finish(at + 1, TokenType::kTooLong);
  }
  return {at};
}

}  // namespace davit::qmp
