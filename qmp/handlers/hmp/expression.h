// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers of the human monitor: expressions as QEMU's monitor reads them, of 64-bit numbers that
// wrap. Operators, weakest first: + and -; & | and ^; * / and %; before a number + - and ~. Equal
// ones go from left to right. Numbers are as in C (10, 0xa, 012), or a character between single
// quotes. Inner header of this package.
#pragma once

#include <cstdint>
#include <string_view>

#include "vmm/base/error.h"

namespace davit::qmp::hmp {

// Takes the expression that `text` starts with off it, and the blanks behind; what cannot go on it
// stays. Error: QEMU's words for what is no expression; a division by zero; registers ($pc), which
// davit does not know; parentheses and signs more than 256 deep.
Result<int64_t> TakeExpression(std::string_view& text);

}  // namespace davit::qmp::hmp
