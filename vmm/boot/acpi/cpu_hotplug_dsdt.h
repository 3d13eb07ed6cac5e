// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The q35's CPUs in the DSDT (ACPI 6.4, 8.4) and the methods by which the guest's operating system
// takes and gives back those that come and go: over the registers of
// vmm/devices/acpi_cpu_hotplug.h. Pure.
#pragma once

#include <span>

#include "vmm/boot/acpi/acpi.h"
#include "vmm/boot/acpi/aml.h"

namespace davit::boot {

// For the scope \_SB.PCI0: the registers. They are switched to one CPU at a time when the operating
// system loads the table.
aml::Term CpuHotplugRegisters();
// For the scope \_SB: the container of all CPUs, by UID.
aml::Term CpuContainer(std::span<const AcpiCpu> cpus);
// What the GPE of CPU hot-plug does.
aml::Term ScanCpus();

}  // namespace davit::boot
