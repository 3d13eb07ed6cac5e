// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A UUID in the order of its text.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace davit::machine {

// Hexadecimal digits in lower case, dashes anywhere; zeros for what is not given.
constexpr std::array<uint8_t, 16> UuidBytes(std::string_view text) {
  std::array<uint8_t, 16> bytes{};
  size_t digits = 0;
  for (const char c : text) {
    const size_t digit = std::string_view("0123456789abcdef").find(c);
    if (digit == std::string_view::npos || digits >= 2 * bytes.size()) continue;
    bytes[digits / 2] |= static_cast<uint8_t>(digit << (digits % 2 == 0 ? 4 : 0));
    ++digits;
  }
  return bytes;
}

}  // namespace davit::machine
