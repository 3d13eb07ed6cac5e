// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Naming rules. ASCII only, no locale.
#include "schema/compiler/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace davit::schema {
namespace {

bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAlpha(char c) { return IsUpper(c) || IsLower(c); }
bool IsAlnum(char c) { return IsAlpha(c) || IsDigit(c); }

bool IsStem(std::string_view s) {
  return !s.empty() && IsAlpha(s[0]) &&
         std::all_of(s.begin(), s.end(), [](char c) { return IsAlnum(c) || c == '-' || c == '_'; });
}

}  // namespace

std::string IdentifierOf(std::string_view name) {
  std::string out(name);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return !IsAlnum(c); }, '_');
  return out;
}

bool IsValidName(std::string_view name, std::string_view* stem) {
  std::string_view rest = name;
  if (rest.starts_with("__")) {
    const size_t end = rest.find('_', 2);
    if (end == std::string_view::npos || end == 2) return false;
    for (const char c : rest.substr(2, end - 2)) {
      if (!IsAlnum(c) && c != '.' && c != '-') return false;
    }
    rest.remove_prefix(end + 1);
  }
  const bool marked = rest.starts_with("x-") || rest.starts_with("X-");
  if (marked && IsStem(rest.substr(2))) rest.remove_prefix(2);
  if (!IsStem(rest) || IdentifierOf(name).starts_with("q_")) return false;
  *stem = rest;
  return true;
}

std::string CheckUpperName(std::string_view name, std::string_view source) {
  std::string_view stem;
  if (!IsValidName(name, &stem)) return fmt::format("{} has an invalid name", source);
  if (std::any_of(stem.begin(), stem.end(), [](char c) { return IsLower(c) || c == '-'; })) {
    return fmt::format("name of {} must not use lowercase or '-'", source);
  }
  return "";
}

std::string CheckLowerName(std::string_view name, std::string_view source, bool permit_upper,
                           bool permit_underscore) {
  std::string_view stem;
  if (!IsValidName(name, &stem)) return fmt::format("{} has an invalid name", source);
  for (const char c : stem) {
    if ((IsUpper(c) && !permit_upper) || (c == '_' && !permit_underscore)) {
      return fmt::format("name of {} must not use uppercase or '_'", source);
    }
  }
  return "";
}

std::string CheckCamelName(std::string_view name, std::string_view source) {
  std::string_view stem;
  if (!IsValidName(name, &stem)) return fmt::format("{} has an invalid name", source);
  const bool good = IsUpper(stem[0]) && std::all_of(stem.begin(), stem.end(), IsAlnum) &&
                    std::any_of(stem.begin(), stem.end(), IsLower);
  return good ? "" : fmt::format("name of {} must use CamelCase", source);
}

bool IsConditionName(std::string_view name) {
  return !name.empty() && IsUpper(name[0]) && std::all_of(name.begin(), name.end(), [](char c) {
    return IsUpper(c) || IsDigit(c) || c == '_';
  });
}

}  // namespace davit::schema
