// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Scalars of the command line as QEMU spells them: sizes with suffixes, numbers in C notation,
// on/off. Pure functions; the caller words the error, since it knows the parameter.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace davit::daemon {

enum class NumberFault : uint8_t { kNone, kNotANumber, kOutOfRange };

struct Number {
  uint64_t value = 0;
  NumberFault fault = NumberFault::kNone;
};

// "4", "0x10", "010" (octal): base by C's prefix. A minus sign is no number.
Number ParseNumber(std::string_view text);

// "512M", "1.5G", "0x1000", "128": a fraction and one suffix b, k, M, G, T, P or E (any case,
// powers of 1024). No suffix: multiplied by `unit`.
Number ParseSize(std::string_view text, uint64_t unit = 1);

// "on", "yes", "true", "y" -> true; "off", "no", "false", "n" -> false.
std::optional<bool> ParseBool(std::string_view text);

// QEMU's rule for ids: a letter, then letters, digits, '-', '.', '_'.
bool IsWellFormedId(std::string_view text);

}  // namespace davit::daemon
