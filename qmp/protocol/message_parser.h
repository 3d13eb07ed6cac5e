// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Cuts a QMP client's byte stream into messages. A message is one JSON value: it ends when its
// brackets balance (or close more than was open), and only then is it parsed, so a broken one
// yields exactly one error. A byte that can be in no message (kError of the lexer) ends the message
// at once. Limits as QEMU 7.2's: nesting 1024, 64 MiB of tokens, 2 Mi tokens. No thread rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "qmp/protocol/lexer.h"
#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::qmp {

struct Token {
  TokenType type;
  uint32_t offset;  // into the text of the message
  uint32_t length;
};

class MessageParser {
 public:
  static constexpr int kMaxNesting = 1024;
  static constexpr size_t kMaxTokens = 2u << 20;
  static constexpr size_t kMaxBytes = Lexer::kMaxTokenBytes;

  // Reads the chunk up to the end of one message, which is then in `message` (a value, or the
  // error to answer). Returns how many bytes were read; feed the rest again.
  size_t Feed(std::string_view chunk, std::optional<Result<json::Value>>& message);

  // Part of a message has been read.
  bool mid_message() const { return !tokens_.empty() || lexer_.in_token(); }

 private:
  Result<json::Value> Close(TokenType last);
  std::optional<Result<json::Value>> Add(TokenType type);
  void Clear();

  Lexer lexer_;
  std::string text_;  // of all tokens, then of the one being read
  std::vector<Token> tokens_;
  size_t token_start_ = 0;  // in text_, of the token being read
  size_t token_bytes_ = 0;  // of all tokens, structural ones included
  int braces_ = 0;
  int brackets_ = 0;
};

// The error that a stray or otherwise broken message is answered with.
Error ParseError(std::string_view reason);

}  // namespace davit::qmp
