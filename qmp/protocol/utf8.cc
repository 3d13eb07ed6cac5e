// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/protocol/utf8.h"

#include <bit>

namespace davit::qmp {

bool IsValidCodePoint(uint32_t code_point) {
  if (code_point > 0x10ffff) return false;
  if (code_point >= 0xd800 && code_point <= 0xdfff) return false;
  if (code_point >= 0xfdd0 && code_point <= 0xfdef) return false;
  return (code_point & 0xfffe) != 0xfffe;
}

CodePoint DecodeUtf8(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  // A sequence of n bytes begins with n one bits; 10xxxxxx begins none, 1111111x no longer exists.
  const auto claimed = static_cast<size_t>(std::countl_one(lead));
  if (claimed < 2 || claimed > 6) return {std::nullopt, 1};
  uint32_t code_point = lead & (0x7fu >> claimed);
  size_t length = 1;
  while (length < claimed && length < bytes.size() && (byte(length) & 0xc0) == 0x80) {
    code_point = code_point << 6 | (byte(length) & 0x3fu);
    ++length;
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000};
  const bool nul = claimed == 2 && code_point == 0;
  if (length < claimed || (code_point < kSmallest[claimed] && !nul) ||
      !IsValidCodePoint(code_point)) {
    return {std::nullopt, length};
  }
  return {code_point, length};
}

void AppendUtf8(std::string& out, uint32_t code_point) {
  const auto put = [&](uint32_t byte) { out += static_cast<char>(byte); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xc0 | code_point >> 6);
    put(0x80 | (code_point & 0x3f));
  } else if (code_point < 0x10000) {
    put(0xe0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  } else {
    put(0xf0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3f));
    put(0x80 | (code_point >> 6 & 0x3f));
    put(0x80 | (code_point & 0x3f));
  }
}

}  // namespace davit::qmp
