// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The tokens of one message -> json::Value, with the errors of QEMU 7.2. Numbers: int64, else
// uint64, else double. Strings: valid UTF-8 (the two-byte form of NUL is taken for NUL; surrogates
// and non-characters are refused), escapes of JSON and \'. No thread rules.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "qmp/protocol/message_parser.h"
#include "schema/runtime/json/value.h"
#include "vmm/base/error.h"

namespace davit::qmp {

Result<json::Value> BuildValue(std::span<const Token> tokens, std::string_view text);

// A token's bytes for an error text: up to the first NUL, at most 4 KiB, U+FFFD for what is no
// UTF-8.
std::string QuoteToken(std::string_view bytes);

}  // namespace davit::qmp
