// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Which CPUs and which memory are near to one another, and how far the rest is: SRAT and SLIT
// (ACPI 6.4, 5.2.16 and 5.2.17), entry for entry as QEMU 7.2 writes them. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "vmm/boot/acpi/q35.h"

namespace davit::boot {

// There is a node or more.
std::vector<std::byte> BuildSrat(const Q35AcpiConfig& config);
// There are distances.
std::vector<std::byte> BuildSlit(const Q35AcpiConfig& config);

}  // namespace davit::boot
