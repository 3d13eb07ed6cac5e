// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See base64.h.
#include "qmp/handlers/base64.h"

#include <cstdint>

namespace davit::qmp {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string EncodeBase64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

Result<std::string> DecodeBase64(std::string_view text) {
  std::string bytes;
  uint32_t group = 0;
  int digits = 0;
  int padding = 0;
  for (const char c : text) {
    if (c == '\r' || c == '\n') continue;
    const size_t digit = c == '=' ? 0 : kDigits.find(c);
    if (digit == std::string_view::npos) return Fail("Base64 data contains invalid characters");
    group = group << 6 | static_cast<uint32_t>(digit);
    padding = c == '=' ? padding + 1 : 0;
    if (++digits < 4) continue;
    for (int k = 2; k >= 0 && k >= padding; --k) bytes += static_cast<char>(group >> (8 * k));
    digits = padding = 0;
    group = 0;
  }
  return bytes;
}

}  // namespace davit::qmp
