// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers as options spell them: base by C's prefix, sizes with suffixes. False: no such number, or
// out of range. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace davit::qapi {

// `end` gets where the number ends in `text`.
bool ParseIntText(const char* text, const char** end, int64_t& out);
// A minus sign is no number.
bool ParseUintText(const char* text, const char** end, uint64_t& out);
// A byte count: digits with an optional fraction and one of the suffixes B K M G T P E.
bool ParseSizeText(const std::string& text, uint64_t& out);

}  // namespace davit::qapi
