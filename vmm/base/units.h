// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Sizes in bytes.
#pragma once

#include <cstdint>

namespace davit {

inline constexpr uint64_t kKiB = 1024;
inline constexpr uint64_t kMiB = 1024 * kKiB;
inline constexpr uint64_t kGiB = 1024 * kMiB;
inline constexpr uint64_t kPageSize = 4096;

// align is a power of two. AlignUp wraps past 2^64; callers bound their input first.
constexpr uint64_t AlignDown(uint64_t value, uint64_t align) { return value & ~(align - 1); }
constexpr uint64_t AlignUp(uint64_t value, uint64_t align) {
  return AlignDown(value + align - 1, align);
}

}  // namespace davit
