// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Counts brackets and enforces the limits; value_builder.h makes the value.
#include "qmp/protocol/message_parser.h"

#include <algorithm>
#include <utility>

#include "qmp/protocol/value_builder.h"

namespace davit::qmp {

Error ParseError(std::string_view reason) {
  return Error{ErrorCode::kGeneric, "JSON parse error, " + std::string(reason), {}};
}

void MessageParser::Clear() {
  constexpr size_t kKeep = 64 * 1024;  // what a session may hold between messages
  if (text_.capacity() > kKeep) text_ = std::string();
  if (tokens_.capacity() > kKeep / sizeof(Token)) tokens_ = std::vector<Token>();
  text_.clear();
  tokens_.clear();
  token_start_ = 0;
  token_bytes_ = 0;
  braces_ = 0;
  brackets_ = 0;
}

// One more complete token; its text is text_ from token_start_ on. A result ends the message.
std::optional<Result<json::Value>> MessageParser::Add(TokenType type) {
  const std::string_view text = std::string_view(text_).substr(token_start_);
  switch (type) {
    case TokenType::kLeftBrace:
      ++braces_;
      break;
    case TokenType::kRightBrace:
      --braces_;
      break;
    case TokenType::kLeftBracket:
      ++brackets_;
      break;
    case TokenType::kRightBracket:
      --brackets_;
      break;
    case TokenType::kError:
      return Fail(ParseError("stray '" + QuoteToken(text) + "'"));
    default:
      break;
  }
  const size_t length = type <= TokenType::kComma ? 1 : text.size();
  if (type == TokenType::kTooLong || token_bytes_ + length + 1 > kMaxBytes) {
    return Fail("JSON token size limit exceeded");
  }
  if (tokens_.size() + 1 > kMaxTokens) return Fail("JSON token count limit exceeded");
  if (braces_ + brackets_ > kMaxNesting) return Fail("JSON nesting depth limit exceeded");
  tokens_.push_back(
      {type, static_cast<uint32_t>(token_start_), static_cast<uint32_t>(text.size())});
  token_bytes_ += length;
  token_start_ = text_.size();
  if ((braces_ > 0 || brackets_ > 0) && braces_ >= 0 && brackets_ >= 0) return std::nullopt;
  return BuildValue(tokens_, text_);
}

size_t MessageParser::Feed(std::string_view chunk, std::optional<Result<json::Value>>& message) {
  message.reset();
  size_t at = 0;
  while (at < chunk.size()) {
    const Lexer::Step step = lexer_.Next(chunk.substr(at), text_);
    at += step.consumed;
    if (!step.complete) continue;
    message = Add(step.type);
    if (message) {
      Clear();
      return at;
    }
  }
  return at;
}

}  // namespace davit::qmp
