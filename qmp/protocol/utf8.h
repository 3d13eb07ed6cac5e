// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 as QEMU's monitor takes it: C0 80 stands for NUL; longer-than-needed forms, surrogates,
// non-characters and values above U+10FFFF are invalid. No thread rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace davit::qmp {

struct CodePoint {
  std::optional<uint32_t> value;  // empty: invalid
  size_t length = 1;              // bytes to skip, also when invalid
};

// Decodes at the start of `bytes`, which is not empty.
CodePoint DecodeUtf8(std::string_view bytes);

// Neither a surrogate, nor a non-character, nor out of range.
bool IsValidCodePoint(uint32_t code_point);

void AppendUtf8(std::string& out, uint32_t code_point);

}  // namespace davit::qmp
