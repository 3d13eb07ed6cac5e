// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See host_brand.h.
#include "vmm/machine/host_brand.h"

#include <cpuid.h>

#include <cstring>

namespace davit::machine {

std::string HostCpuBrand() {
  char brand[49] = {};
  for (unsigned i = 0; i < 3; ++i) {
    unsigned words[4] = {};
    if (__get_cpuid(0x80000002 + i, &words[0], &words[1], &words[2], &words[3]) == 0) return {};
    std::memcpy(brand + size_t{16} * i, words, sizeof(words));
  }
  return brand;
}

}  // namespace davit::machine
