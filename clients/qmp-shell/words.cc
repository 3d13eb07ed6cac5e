// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See words.h.
#include "clients/qmp-shell/words.h"

namespace davit::client {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

// The offset behind the word that starts at begin; open when a quote or bracket is not closed.
size_t EndOfWord(std::string_view line, size_t begin, bool& open) {
  int depth = 0;
  char quote = 0;
  size_t i = begin;
  for (; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != 0) {
      if (c == '\\' && i + 1 < line.size()) {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    } else if (depth == 0 && kBlanks.find(c) != std::string_view::npos) {
      break;
    }
  }
  open = quote != 0 || depth > 0;
  return i;
}

}  // namespace

Words SplitWords(std::string_view line) {
  Words result;
  size_t i = 0;
  while ((i = line.find_first_not_of(kBlanks, i)) != std::string_view::npos) {
    const size_t end = EndOfWord(line, i, result.open);
    result.words.push_back({std::string(line.substr(i, end - i)), i});
    i = end;
  }
  return result;
}

std::string Unquote(std::string_view word) {
  if (word.size() < 2 || word.front() != word.back() ||
      (word.front() != '"' && word.front() != '\'')) {
    return std::string(word);
  }
  std::string out;
  for (size_t i = 1; i + 1 < word.size(); ++i) {
    if (word[i] == '\\' && i + 2 < word.size()) ++i;
    out += word[i];
  }
  return out;
}

}  // namespace davit::client
