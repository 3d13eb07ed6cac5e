// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See arguments.h.
#include "qmp/handlers/hmp/arguments.h"

#include <fmt/format.h>

#include <algorithm>

#include "qmp/handlers/hmp/expression.h"

namespace davit::qmp::hmp {
namespace {

constexpr std::string_view kBlank = " \t\r\n";

// What stands after the backslash, and what it stands for.
constexpr std::string_view kEscapes = "nr\\'\"";
constexpr std::string_view kEscaped = "\n\r\\'\"";

}  // namespace

bool Arguments::AtEnd() {
  rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlank), rest_.size()));
  return rest_.empty();
}

std::string_view Arguments::Word() {
  if (AtEnd()) return {};
  const std::string_view word = rest_.substr(0, rest_.find_first_of(kBlank));
  rest_.remove_prefix(word.size());
  return word;
}

Result<std::string> Arguments::Quoted() {
  std::string text;
  for (size_t i = 1; i < rest_.size(); ++i) {
    if (rest_[i] == '"') {
      rest_.remove_prefix(i + 1);
      return text;
    }
    if (rest_[i] == '\\' && ++i < rest_.size()) {
      const size_t escape = kEscapes.find(rest_[i]);
      if (escape == std::string_view::npos) return Fail("unsupported escape code");
      text += kEscaped[escape];
    } else if (i < rest_.size()) {
      text += rest_[i];
    }
  }
  return Fail("unterminated string");
}

Result<std::string> Arguments::Text(std::string_view name, std::string_view wanted) {
  if (!AtEnd() && rest_.front() != '"') return std::string(Word());
  if (!rest_.empty()) {
    if (auto quoted = Quoted()) return quoted;
  }
  return Fail(wanted.empty() ? "" : fmt::format("{}: {} expected", name, wanted));
}

Result<bool> Arguments::Flag(std::string_view name, char flag, std::string_view later) {
  if (AtEnd() || rest_.front() != '-') return false;
  const std::string_view option = rest_.substr(1, 1);
  if (option.empty() || (option[0] != flag && later.find(option[0]) == std::string_view::npos)) {
    return Fail(fmt::format("{}: unsupported option -{}", name, option));
  }
  if (option[0] != flag) return false;
  rest_.remove_prefix(2);
  return true;
}

Result<int64_t> Arguments::Number() { return TakeExpression(rest_); }

std::string_view Arguments::Rest() {
  if (AtEnd()) return {};
  const std::string_view rest = rest_.substr(0, rest_.find_last_not_of(kBlank) + 1);
  rest_ = {};
  return rest;
}

Status Arguments::End(std::string_view name) {
  if (AtEnd()) return {};
  return Fail(fmt::format("{}: extraneous characters at the end of line", name));
}

}  // namespace davit::qmp::hmp
