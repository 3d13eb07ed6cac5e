// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens of a schema file (QEMU docs/devel/qapi-code-gen, "Schema syntax"): structural characters,
// 'strings' of printable ASCII with \\ as the only escape, true, false, and comments, which are
// skipped unless they start with "##" or the parser reads a documentation comment.
#pragma once

#include <cstddef>
#include <string>

#include "schema/compiler/source.h"

namespace davit::schema {

enum class TokenKind : char {
  kEnd = 0,
  kLeftBrace = '{',
  kRightBrace = '}',
  kLeftBracket = '[',
  kRightBracket = ']',
  kColon = ':',
  kComma = ',',
  kString = '\'',
  kTrue = 't',
  kFalse = 'f',
  kComment = '#',
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;  // of a string (decoded) or a comment (the whole line, with its '#')
  Place place;
};

class Lexer {
 public:
  // Reads the first token. The file outlives the lexer.
  explicit Lexer(const SourceFile& file);

  const Token& token() const { return token_; }
  bool Is(TokenKind kind) const { return token_.kind == kind; }
  // Reads the next token; `keep_comments`: also one that starts with a single '#'.
  void Next(bool keep_comments = false);
  // Raises with line and column of the current token.
  [[noreturn]] void Error(std::string_view reason) const;

 private:
  void StartToken();
  void ReadString();
  bool ReadWord(std::string_view word, TokenKind kind);
  [[noreturn]] void RaiseStray();

  const SourceFile& file_;
  size_t cursor_ = 0;
  size_t line_start_ = 0;
  int line_ = 1;
  size_t token_start_ = 0;
  Token token_;
};

}  // namespace davit::schema
