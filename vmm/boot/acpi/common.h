// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tables and table parts that every machine with ACPI has. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "vmm/boot/acpi/acpi.h"

namespace davit::boot::acpi {

// Flag of the MADT (5.2.12): two 8259s are there too.
inline constexpr uint32_t kMadtPcAtCompatible = 1u << 0;

// The MADT entry of one processor, in the form that its ids need.
std::vector<std::byte> MadtCpu(size_t uid, const AcpiCpu& cpu);
// MADT entries: the local APICs of these processors; and NMI at LINT1 of all.
void AppendMadtCpus(std::vector<std::byte>* madt, std::span<const AcpiCpu> cpus);
void AppendMadtNmi(std::vector<std::byte>* madt, std::span<const AcpiCpu> cpus);

std::vector<std::byte> MakeXsdt(std::span<const uint64_t> tables);
std::vector<std::byte> MakeRsdp(uint64_t xsdt);

}  // namespace davit::boot::acpi
