// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What guest and host agree on about the content of a disk or stream under test: each 64-bit word
// tells where it belongs, so a part that is missing, stale or in another's place shows. Pure.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace davit::testing {

// The word at byte offset 8 * index.
constexpr uint64_t PatternWord(uint64_t index) { return (index + 1) * 0x9e3779b97f4a7c15; }

constexpr void FillPattern(std::span<uint64_t> words, uint64_t first_index) {
  for (uint64_t i = 0; i < words.size(); ++i) words[i] = PatternWord(first_index + i);
}

// The first `bytes` of the pattern, a multiple of 8.
inline std::string PatternText(size_t bytes) {
  std::vector<uint64_t> words(bytes / 8);
  FillPattern(words, 0);
  std::string text(bytes, '\0');
  std::memcpy(text.data(), words.data(), bytes);
  return text;
}

// The checksum of words at these places; parts of a disk add up, in any order. Each factor is odd,
// so a change of one word changes it.
constexpr uint64_t ChecksumOf(std::span<const uint64_t> words, uint64_t first_index) {
  uint64_t sum = 0;
  for (uint64_t i = 0; i < words.size(); ++i) sum += words[i] * (2 * (first_index + i) + 1);
  return sum;
}

}  // namespace davit::testing
