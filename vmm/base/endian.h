// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Little-endian integers for wire and guest structures (alignment 1, so that packed layouts
// need no attribute), and loads and stores on byte buffers.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>

namespace davit {

static_assert(std::endian::native == std::endian::little, "davit hosts are little-endian");

template <std::unsigned_integral T>
class LittleEndian {
 public:
  constexpr LittleEndian() = default;
  constexpr LittleEndian(T value) : bytes_(std::bit_cast<Bytes>(value)) {}  // NOLINT: implicit
  constexpr operator T() const { return std::bit_cast<T>(bytes_); }         // NOLINT: implicit

 private:
  struct Bytes {
    unsigned char b[sizeof(T)];
  };
  Bytes bytes_{};
};

using le16 = LittleEndian<uint16_t>;
using le32 = LittleEndian<uint32_t>;
using le64 = LittleEndian<uint64_t>;
static_assert(sizeof(le16) == 2 && alignof(le16) == 1);
static_assert(sizeof(le64) == 8 && alignof(le64) == 1);

// The low n (1..8) bytes at p as an integer.
inline uint64_t LoadLe(const void* p, size_t n) {
  uint64_t value = 0;
  std::memcpy(&value, p, n);
  return value;
}
inline void StoreLe(void* p, size_t n, uint64_t value) { std::memcpy(p, &value, n); }

}  // namespace davit
