// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// CPUs and memory modules that come and go by the registers of the q35 (QEMU's
// docs/specs/acpi_cpu_hotplug and acpi_mem_hotplug): what comes is used, what the host wants back
// is given. There is no AML interpreter: the ports and events that the DSDT names are q35's.
#pragma once

#include <cstdint>

namespace probe {

// General-purpose events, as a mask.
constexpr uint8_t kCpuGpe = 1 << 2, kMemoryGpe = 1 << 3;

// Tells the host that CPUs are served one at a time, and looks for what happened before.
void StartAcpiHotplug();
void ServeAcpiHotplug(uint8_t events);

// The modules that are there, each tried.
void PrintDimms();

}  // namespace probe
