// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The host CPU's brand string (CPUID 0x80000002..4), for guests that ask what they run on.
#pragma once

#include <string>

namespace davit::machine {

std::string HostCpuBrand();  // empty: the CPU has none

}  // namespace davit::machine
