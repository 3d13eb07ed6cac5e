// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Splits a typed line into words as qmp-shell users expect: blanks separate, quotes and
// brackets keep together. A word keeps its spelling, quotes included, since a JSON value in it
// needs them; Unquote() takes one layer off a plain string.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vmm/base/error.h"

namespace davit::client {

struct Word {
  std::string text;
  size_t begin = 0;  // offset in the line
};

struct Words {
  std::vector<Word> words;
  // The line ends inside a quote or bracket: an error to execute, but what completion meets.
  bool open = false;
};

Words SplitWords(std::string_view line);

// 'a b' or "a b" without the quotes; anything else as it is.
std::string Unquote(std::string_view word);

}  // namespace davit::client
