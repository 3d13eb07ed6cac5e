// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The processor's instructions and registers that the probe guest needs, one function each.

#pragma once

#include <cstddef>
#include <cstdint>

namespace probe {

inline void Out8(uint16_t port, uint8_t value) {
  asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

inline void Out16(uint16_t port, uint16_t value) {
  asm volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

inline uint16_t In16(uint16_t port) {
  uint16_t value;
  asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

inline uint8_t In8(uint16_t port) {
  uint8_t value;
  asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

inline void Out32(uint16_t port, uint32_t value) {
  asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

inline uint32_t In32(uint16_t port) {
  uint32_t value;
  asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

inline uint64_t ReadMsr(uint32_t index) {
  uint32_t low, high;
  asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
  return (uint64_t{high} << 32) | low;
}

inline void WriteMsr(uint32_t index, uint64_t value) {
  asm volatile("wrmsr" : : "c"(index), "a"(uint32_t(value)), "d"(uint32_t(value >> 32)) : "memory");
}

inline uint64_t ReadTsc() {
  uint32_t low, high;
  asm volatile("rdtsc" : "=a"(low), "=d"(high));
  return (uint64_t{high} << 32) | low;
}

struct CpuidResult {
  uint32_t eax, ebx, ecx, edx;
};

inline CpuidResult Cpuid(uint32_t leaf, uint32_t subleaf = 0) {
  CpuidResult r;
  asm volatile("cpuid"
               : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
               : "a"(leaf), "c"(subleaf));
  return r;
}

// A physical address below 4 GiB: mapped one to one.
template <typename T>
inline volatile T& Mmio(uint64_t address) {
  return *reinterpret_cast<volatile T*>(address);
}

template <typename T>
inline const T* At(uint64_t address) {
  return reinterpret_cast<const T*>(address);
}

// Unaligned little-endian and big-endian loads.
inline uint32_t Load32(const void* p) {
  uint32_t v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

inline uint64_t Load64(const void* p) {
  uint64_t v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

inline uint16_t Load16(const void* p) {
  uint16_t v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

inline uint32_t LoadBig32(const void* p) { return __builtin_bswap32(Load32(p)); }

inline bool Equal(const char* a, const char* b) {
  while (*a != 0 && *a == *b) {
    ++a;
    ++b;
  }
  return *a == *b;
}

inline bool EqualBytes(const void* a, const char* b, size_t n) {
  const char* p = static_cast<const char*>(a);
  for (size_t i = 0; i < n; ++i) {
    if (p[i] != b[i]) return false;
  }
  return true;
}

}  // namespace probe
