// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See number_text.h.
#include "schema/runtime/number_text.h"

#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace davit::qapi {

bool ParseIntText(const char* text, const char** end, int64_t& out) {
  char* stop = nullptr;
  errno = 0;
  out = std::strtoll(text, &stop, 0);
  *end = stop;
  return stop != text && errno == 0;
}

bool ParseUintText(const char* text, const char** end, uint64_t& out) {
  const char* digits = text;
  while (std::isspace(static_cast<unsigned char>(*digits)) != 0) ++digits;
  *end = text;
  if (*digits == '-') return false;
  char* stop = nullptr;
  errno = 0;
  out = std::strtoull(text, &stop, 0);
  *end = stop;
  return stop != text && errno == 0;
}

bool ParseSizeText(const std::string& text, uint64_t& out) {
  const char* end = nullptr;
  uint64_t whole = 0;
  if (text.empty() || std::isspace(static_cast<unsigned char>(text[0])) != 0) return false;
  if (text[0] == '+' || !ParseUintText(text.c_str(), &end, whole)) return false;
  const bool hex = text.size() > 1 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  double fraction = 0;
  if (!hex) {
    // A leading zero means nothing here: 010 is ten.
    char* stop = nullptr;
    errno = 0;
    whole = std::strtoull(text.c_str(), &stop, 10);
    if (errno != 0) return false;
    end = stop;
    if (*end == '.') {
      double unit = 0.1;
      for (++end; *end >= '0' && *end <= '9'; ++end, unit /= 10) fraction += (*end - '0') * unit;
    }
  }
  constexpr std::string_view kSuffixes = "bkmgtpe";
  int shift = 0;
  if (*end != '\0') {
    const size_t at = kSuffixes.find(static_cast<char>(std::tolower(*end)));
    if (at == std::string_view::npos || end[1] != '\0' || (hex && at != 0 && fraction != 0)) {
      return false;
    }
    shift = static_cast<int>(10 * at);
  }
  if (shift != 0 && (whole >> (64 - shift)) != 0) return false;
  const auto extra = static_cast<uint64_t>(std::ldexp(fraction, shift));
  out = (whole << shift) + extra;
  return out >= extra;
}

}  // namespace davit::qapi
