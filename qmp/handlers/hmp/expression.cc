// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See expression.h.
#include "qmp/handlers/hmp/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace davit::qmp::hmp {
namespace {

constexpr std::string_view kBlank = " \t\n\v\f\r";
constexpr unsigned kMaxDepth = 256;

// Two's complement: what does not fit wraps.
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) { SkipBlanks(); }

  std::string_view rest() const { return rest_; }

  Result<uint64_t> Sum() {
    DAVIT_ASSIGN(uint64_t value, Logic());
    while (const char op = TakeOneOf("+-")) {
      DAVIT_ASSIGN(const uint64_t right, Logic());
      value = op == '+' ? value + right : value - right;
    }
    return value;
  }

 private:
  Result<uint64_t> Logic() {
    DAVIT_ASSIGN(uint64_t value, Product());
    while (const char op = TakeOneOf("&|^")) {
      DAVIT_ASSIGN(const uint64_t right, Product());
      value = op == '&' ? value & right : op == '|' ? value | right : value ^ right;
    }
    return value;
  }

  Result<uint64_t> Product() {
    DAVIT_ASSIGN(uint64_t value, Unary());
    while (const char op = TakeOneOf("*/%")) {
      DAVIT_ASSIGN(const uint64_t right, Unary());
      if (op == '*') {
        value *= right;
        continue;
      }
      if (right == 0) return Fail("division by zero");
      const auto by = static_cast<int64_t>(right);
      if (by == -1) {  // of the smallest number it does not fit
        value = op == '/' ? 0 - value : 0;
      } else {
        const auto signed_value = static_cast<int64_t>(value);
        value = static_cast<uint64_t>(op == '/' ? signed_value / by : signed_value % by);
      }
    }
    return value;
  }

  Result<uint64_t> Unary() {
    if (depth_ == kMaxDepth) return Fail("expression is nested too deeply");
    ++depth_;
    auto value = UnaryWithin();
    --depth_;
    return value;
  }

  Result<uint64_t> UnaryWithin() {
    switch (const char op = TakeOneOf("+-~(")) {
      case 0:
        return Number();
      case '(': {
        DAVIT_ASSIGN(const uint64_t value, Sum());
        if (TakeOneOf(")") == 0) return Fail("')' expected");
        return value;
      }
      default: {
        DAVIT_ASSIGN(const uint64_t value, Unary());
        return op == '+' ? value : op == '-' ? 0 - value : ~value;
      }
    }
  }

  Result<uint64_t> Number() {
    if (rest_.empty()) return Fail("unexpected end of expression");
    if (rest_.front() == '\'') return Character();
    if (rest_.front() == '$') return Fail("unknown register");
    int base = 10;
    std::string_view digits = rest_;
    if (digits.front() == '0') base = 8;
    if ((digits.starts_with("0x") || digits.starts_with("0X")) && digits.size() > 2 &&
        std::isxdigit(static_cast<unsigned char>(digits[2])) != 0) {
      base = 16;
      digits.remove_prefix(2);
    }
    uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error == std::errc::result_out_of_range) return Fail("number too large");
    if (error != std::errc()) {
      return Fail(fmt::format("invalid char '{}' in expression", rest_.front()));
    }
    Skip(static_cast<size_t>(end - rest_.data()));
    return value;
  }

  Result<uint64_t> Character() {
    if (rest_.size() < 2) return Fail("character constant expected");
    if (rest_.size() < 3 || rest_[2] != '\'') return Fail("missing terminating ' character");
    const auto value = static_cast<uint64_t>(int64_t{static_cast<signed char>(rest_[1])});
    Skip(3);
    return value;
  }

  // Of these the next one, or 0.
  char TakeOneOf(std::string_view choices) {
    if (rest_.empty() || choices.find(rest_.front()) == std::string_view::npos) return 0;
    const char taken = rest_.front();
    Skip(1);
    return taken;
  }

  void Skip(size_t size) {
    rest_.remove_prefix(size);
    SkipBlanks();
  }
  void SkipBlanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlank), rest_.size()));
  }

  std::string_view rest_;
  unsigned depth_ = 0;
};

}  // namespace

Result<int64_t> TakeExpression(std::string_view& text) {
  Parser parser(text);
  DAVIT_ASSIGN(const uint64_t value, parser.Sum());
  text = parser.rest();
  return static_cast<int64_t>(value);
}

}  // namespace davit::qmp::hmp
