// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Parses a command line written as a list of words.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "daemon/options/parse.h"

namespace davit::daemon {

inline Result<Options> Parse(std::vector<const char*> words) { return ParseCommandLine(words); }

// The error text, or "accepted".
inline std::string ErrorOf(std::vector<const char*> words) {
  const Result<Options> result = ParseCommandLine(words);
  return result ? "accepted" : result.error().message;
}

}  // namespace davit::daemon
