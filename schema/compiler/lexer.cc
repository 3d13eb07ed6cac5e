// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The lexer. Every read is in bounds because the text ends with '\n' (parser.cc adds it).
#include "schema/compiler/lexer.h"

#include <fmt/format.h>

namespace davit::schema {

Lexer::Lexer(const SourceFile& file) : file_(file) { Next(); }

void Lexer::StartToken() {
  token_start_ = cursor_;
  int column = 1;
  for (size_t i = line_start_; i < cursor_; ++i) {
    column = file_.text[i] == '\t' ? (column + 7) / 8 * 8 + 1 : column + 1;
  }
  token_.place = Place{&file_, line_, column};
  token_.text.clear();
}

void Lexer::Error(std::string_view reason) const { Raise(token_.place, reason); }

void Lexer::Next(bool keep_comments) {
  const std::string& text = file_.text;
  for (;;) {
    const char c = text[cursor_];
    switch (c) {
      case '\n':
        if (cursor_ + 1 == text.size()) {
          StartToken();
          token_.kind = TokenKind::kEnd;
          return;
        }
        line_start_ = ++cursor_;
        ++line_;
        break;
      case ' ':
      case '\t':
      case '\r':
      case '\v':
      case '\f':
        ++cursor_;
        break;
      case '#': {
        StartToken();
        const bool documentation = text[cursor_ + 1] == '#';
        cursor_ = text.find('\n', cursor_);
        if (!documentation && !keep_comments) break;
        token_.kind = TokenKind::kComment;
        token_.text = text.substr(token_start_, cursor_ - token_start_);
        if (token_.text.ends_with('\r')) token_.text.pop_back();
        return;
      }
      case '{':
      case '}':
      case '[':
      case ']':
      case ':':
      case ',':
        StartToken();
        token_.kind = static_cast<TokenKind>(c);
        ++cursor_;
        return;
      case '\'':
        StartToken();
        ReadString();
        return;
      default:
        StartToken();
        if (ReadWord("true", TokenKind::kTrue) || ReadWord("false", TokenKind::kFalse)) return;
        RaiseStray();
    }
  }
}

void Lexer::ReadString() {
  const std::string& text = file_.text;
  token_.kind = TokenKind::kString;
  ++cursor_;
  for (;;) {
    char c = text[cursor_++];
    if (c == '\'') return;
    if (c == '\\') {
      c = text[cursor_++];
      if (c != '\\' && c != '\n') {
        Error(fmt::format("unknown escape \\{}", Printable({&c, 1})));
      }
    }
    if (c == '\n') Error("missing terminating \"'\"");
    if (c < 0x20 || c >= 0x7f) Error("funny character in string");
    token_.text += c;
  }
}

bool Lexer::ReadWord(std::string_view word, TokenKind kind) {
  if (file_.text.compare(cursor_, word.size(), word) != 0) return false;
  token_.kind = kind;
  cursor_ += word.size();
  return true;
}

void Lexer::RaiseStray() {
  size_t end = file_.text.find_first_of("[]{}:, \t\r\v\f\n'\"", cursor_);
  if (end == cursor_) ++end;  // a double quote itself
  Error(fmt::format("stray '{}'", Printable(file_.text.substr(cursor_, end - cursor_))));
}

}  // namespace davit::schema
