// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See values.h.
#include "daemon/options/values.h"

#include <charconv>
#include <cmath>

namespace davit::daemon {
namespace {

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

Number FromChars(std::string_view digits, int base) {
  Number number;
  if (digits.empty()) return {0, NumberFault::kNotANumber};
  const char* end = digits.data() + digits.size();
  const auto [ptr, ec] = std::from_chars(digits.data(), end, number.value, base);
  if (ec == std::errc::result_out_of_range && ptr == end) return {0, NumberFault::kOutOfRange};
  if (ec != std::errc() || ptr != end) return {0, NumberFault::kNotANumber};
  return number;
}

// The multiplier of a suffix; 0 when there is no such suffix.
uint64_t SuffixUnit(char c) {
  constexpr std::string_view kSuffixes = "bkmgtpe";
  const size_t index = kSuffixes.find(static_cast<char>(c | 0x20));
  return index == std::string_view::npos ? 0 : uint64_t{1} << (10 * index);
}

Number Scale(uint64_t whole, double fraction, uint64_t unit) {
  if (whole > UINT64_MAX / unit) return {0, NumberFault::kOutOfRange};
  const uint64_t high = whole * unit;
  const uint64_t low = static_cast<uint64_t>(std::round(fraction * static_cast<double>(unit)));
  if (high > UINT64_MAX - low) return {0, NumberFault::kOutOfRange};
  return {high + low, NumberFault::kNone};
}

}  // namespace

Number ParseNumber(std::string_view text) {
  if (text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
    return FromChars(text.substr(2), 16);
  }
  if (text.size() > 1 && text[0] == '0') return FromChars(text.substr(1), 8);
  return FromChars(text, 10);
}

Number ParseSize(std::string_view text, uint64_t unit) {
  if (text.size() > 2 && text[0] == '0' && (text[1] | 0x20) == 'x') {
    const Number hex = FromChars(text.substr(2), 16);
    return hex.fault == NumberFault::kNone ? Scale(hex.value, 0, unit) : hex;
  }
  size_t at = 0;
  while (at < text.size() && IsDigit(text[at])) ++at;
  const Number whole = FromChars(text.substr(0, at), 10);
  if (whole.fault != NumberFault::kNone) return whole;
  double fraction = 0;
  if (at < text.size() && text[at] == '.') {
    double weight = 0.1;
    const size_t first = ++at;
    for (; at < text.size() && IsDigit(text[at]); ++at, weight /= 10) {
      fraction += weight * (text[at] - '0');
    }
    if (at == first) return {0, NumberFault::kNotANumber};
  }
  if (at < text.size()) {
    unit = SuffixUnit(text[at++]);
    if (unit == 0 || at != text.size()) return {0, NumberFault::kNotANumber};
  }
  if (fraction != 0 && unit == 1) return {0, NumberFault::kNotANumber};
  return Scale(whole.value, fraction, unit);
}

std::optional<bool> ParseBool(std::string_view text) {
  if (text == "on" || text == "yes" || text == "true" || text == "y") return true;
  if (text == "off" || text == "no" || text == "false" || text == "n") return false;
  return std::nullopt;
}

bool IsWellFormedId(std::string_view text) {
  if (text.empty() || !IsLetter(text[0])) return false;
  for (char c : text) {
    if (!IsLetter(c) && !IsDigit(c) && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

}  // namespace davit::daemon
