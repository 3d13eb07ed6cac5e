// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The ACPI tables as far as the probe guest uses them (ACPI 6.4: RSDP 5.2.5, XSDT 5.2.8,
// FADT 5.2.9, MADT 5.2.12; generic event device 5.6.9). There is no AML interpreter: the addresses
// that only the DSDT knows are looked for by pattern, with QEMU's microvm values in their place
// when not found.

#pragma once

#include <cstdint>

namespace probe {

constexpr uint32_t kMaxCpus = 256;
constexpr uint32_t kMaxTables = 32;

struct AcpiInfo {
  bool found;
  bool checksums_ok;
  uint32_t tables;
  uint64_t table[kMaxTables];
  // FADT
  bool hardware_reduced;
  uint64_t sleep_control;   // of reduced hardware; 0: none
  uint16_t pm1_event;       // port of status and enable; of full hardware; 0: none
  uint16_t pm1_control;     // port; 0: none
  uint16_t gpe0;            // port of the status registers, those of enable behind; 0: none
  uint8_t gpe0_length;      // bytes of both
  uint16_t sci;             // ISA interrupt
  uint64_t reset_register;  // 0: none
  uint8_t reset_space;      // 0 memory, 1 port
  uint8_t reset_value;
  uint8_t sleep_type_s5;
  // MADT
  uint32_t cpus;
  uint32_t enabled_cpus;
  uint32_t apic_id[kMaxCpus];
  uint64_t lapic;
  uint64_t ioapic;
  uint32_t ioapic_gsi_base;
  uint32_t ioapics;
  struct {
    uint32_t gsi;
    bool level;
    bool active_low;
  } isa[16];
  // DSDT
  uint64_t ged_registers;
  uint32_t ged_gsi;
  bool ged_found;
};

extern AcpiInfo acpi_info;

void ReadAcpi();
void PrintCpus();
void PrintAcpi();

// Full hardware: makes the button raise the SCI; and whether it was pressed, which it forgets.
void EnablePm1Button();
bool TakePm1Button();

// The same of general-purpose events 0 to 7 (4.8.4.1), as a mask.
void EnableGpes(uint8_t events);
uint8_t TakeGpes();

// Both return when the machine has no such register or does not obey.
void AcpiPowerOff();
void AcpiReset();

}  // namespace probe
