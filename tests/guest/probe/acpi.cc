// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "acpi.h"

#include "boot_info.h"
#include "console.h"
#include "io.h"

namespace probe {

AcpiInfo acpi_info;

namespace {

constexpr uint64_t kFourGib = uint64_t{1} << 32;
constexpr uint64_t kDefaultGed = 0xfea00000;
constexpr uint32_t kDefaultGedGsi = 9;
constexpr uint16_t kPm1Button = 0x100;
constexpr uint32_t kCpuidMonitor = 1u << 3;  // leaf 1, ecx

bool ChecksumOk(const uint8_t* p, uint32_t length) {
  uint8_t sum = 0;
  for (uint32_t i = 0; i < length; ++i) sum = uint8_t(sum + p[i]);
  return sum == 0;
}

uint64_t FindRsdp() {
  if (boot_info.rsdp != 0) return boot_info.rsdp;
  for (uint64_t a = 0xe0000; a < 0x100000; a += 16) {
    if (EqualBytes(At<uint8_t>(a), "RSD PTR ", 8) && ChecksumOk(At<uint8_t>(a), 20)) return a;
  }
  return 0;
}

void AddTable(uint64_t address) {
  if (address == 0 || address >= kFourGib || acpi_info.tables >= kMaxTables) return;
  const uint8_t* table = At<uint8_t>(address);
  if (!ChecksumOk(table, Load32(table + 4))) acpi_info.checksums_ok = false;
  acpi_info.table[acpi_info.tables++] = address;
}

const uint8_t* Find(const char* signature) {
  for (uint32_t i = 0; i < acpi_info.tables; ++i) {
    const uint8_t* table = At<uint8_t>(acpi_info.table[i]);
    if (EqualBytes(table, signature, 4)) return table;
  }
  return nullptr;
}

// An AML integer (20.2.3) at p; *size is its length, 0 when it is none.
uint64_t AmlInteger(const uint8_t* p, uint32_t* size) {
  switch (*p) {
    case 0x00:
    case 0x01:
      *size = 1;
      return *p;
    case 0x0a:
      *size = 2;
      return p[1];
    case 0x0b:
      *size = 3;
      return Load16(p + 1);
    case 0x0c:
      *size = 5;
      return Load32(p + 1);
    case 0x0e:
      *size = 9;
      return Load64(p + 1);
    default:
      *size = 0;
      return 0;
  }
}

void ReadDsdt(const uint8_t* dsdt) {
  const uint32_t length = Load32(dsdt + 4);
  bool in_ged = false;
  bool have_region = false;
  bool have_irq = false;
  for (uint32_t i = 36; i + 8 < length; ++i) {
    const uint8_t* p = dsdt + i;
    // Name (_S5, Package () { typ, ... }): package op, length byte, count, first element.
    uint32_t size;
    if (EqualBytes(p, "_S5_", 4) && p[4] == 0x12 && p[5] < 0x40) {
      const uint64_t type = AmlInteger(p + 7, &size);
      if (size != 0) acpi_info.sleep_type_s5 = uint8_t(type);
    }
    if (EqualBytes(p, "ACPI0013", 8)) in_ged = acpi_info.ged_found = true;
    if (!in_ged) continue;
    // OperationRegion (name, SystemMemory, address, length)
    if (!have_region && p[0] == 0x5b && p[1] == 0x80 && p[6] == 0x00) {
      const uint64_t address = AmlInteger(p + 7, &size);
      if (size >= 5) {
        acpi_info.ged_registers = address;
        have_region = true;
      }
    }
    // Interrupt () descriptor (6.4.3.6): 0x89, length 6, flags, count 1, number.
    if (!have_irq && p[0] == 0x89 && Load16(p + 1) == 6 && p[4] == 1) {
      acpi_info.ged_gsi = Load32(p + 5);
      have_irq = true;
    }
  }
}

void ReadFadt(const uint8_t* fadt) {
  const uint32_t length = Load32(fadt + 4);
  if (length < 129) return;
  const uint32_t flags = Load32(fadt + 112);
  acpi_info.hardware_reduced = (flags & (1u << 20)) != 0;
  if (!acpi_info.hardware_reduced) {
    acpi_info.sci = Load16(fadt + 46);
    acpi_info.pm1_event = Load16(fadt + 56);
    acpi_info.pm1_control = Load16(fadt + 64);
    acpi_info.gpe0 = Load16(fadt + 80);
    acpi_info.gpe0_length = fadt[92];
  }
  if ((flags & (1u << 10)) != 0) {
    acpi_info.reset_space = fadt[116];
    acpi_info.reset_register = Load64(fadt + 120);
    acpi_info.reset_value = fadt[128];
  }
  if (length >= 256 && fadt[244] == 0) acpi_info.sleep_control = Load64(fadt + 244 + 4);
  uint64_t dsdt = length >= 148 ? Load64(fadt + 140) : 0;
  if (dsdt == 0) dsdt = Load32(fadt + 40);
  if (dsdt != 0 && dsdt < kFourGib) {
    AddTable(dsdt);
    ReadDsdt(At<uint8_t>(dsdt));
  }
}

void AddCpu(uint32_t apic_id, uint32_t flags) {
  if (acpi_info.cpus >= kMaxCpus || (flags & 3) == 0) return;
  acpi_info.apic_id[acpi_info.cpus++] = apic_id;
  if ((flags & 1) != 0) ++acpi_info.enabled_cpus;
}

void ReadMadtEntry(const uint8_t* entry) {
  switch (entry[0]) {
    case 0:  // processor local APIC
      AddCpu(entry[3], Load32(entry + 4));
      break;
    case 1:  // I/O APIC
      if (acpi_info.ioapics++ == 0) {
        acpi_info.ioapic = Load32(entry + 4);
        acpi_info.ioapic_gsi_base = Load32(entry + 8);
      }
      break;
    case 2: {  // interrupt source override
      if (entry[3] >= 16) break;
      const uint16_t flags = Load16(entry + 8);
      acpi_info.isa[entry[3]] = {Load32(entry + 4), ((flags >> 2) & 3) == 3, (flags & 3) == 3};
      break;
    }
    case 5:  // local APIC address override
      acpi_info.lapic = Load64(entry + 4);
      break;
    case 9:  // processor local x2APIC
      AddCpu(Load32(entry + 4), Load32(entry + 8));
      break;
  }
}

void ReadMadt(const uint8_t* madt) {
  const uint32_t length = Load32(madt + 4);
  acpi_info.lapic = Load32(madt + 36);
  for (uint32_t i = 44; i + 2 <= length && madt[i + 1] >= 2; i += madt[i + 1]) {
    ReadMadtEntry(madt + i);
  }
}

}  // namespace

void ReadAcpi() {
  acpi_info.lapic = 0xfee00000;
  acpi_info.ioapic = 0xfec00000;
  acpi_info.ged_registers = kDefaultGed;
  acpi_info.ged_gsi = kDefaultGedGsi;
  acpi_info.sleep_type_s5 = 5;
  for (uint32_t i = 0; i < 16; ++i) acpi_info.isa[i] = {i, false, false};
  const uint64_t address = FindRsdp();
  if (address == 0 || address >= kFourGib) return;
  const uint8_t* rsdp = At<uint8_t>(address);
  if (!EqualBytes(rsdp, "RSD PTR ", 8)) return;
  acpi_info.found = true;
  acpi_info.checksums_ok = ChecksumOk(rsdp, 20);
  const bool wide = rsdp[15] >= 2 && Load64(rsdp + 24) != 0;
  const uint64_t root = wide ? Load64(rsdp + 24) : Load32(rsdp + 16);
  if (root == 0 || root >= kFourGib) return;
  const uint8_t* table = At<uint8_t>(root);
  const uint32_t length = Load32(table + 4);
  if (!ChecksumOk(table, length)) acpi_info.checksums_ok = false;
  for (uint32_t i = 36; i + (wide ? 8 : 4) <= length; i += wide ? 8 : 4) {
    AddTable(wide ? Load64(table + i) : Load32(table + i));
  }
  if (const uint8_t* fadt = Find("FACP")) ReadFadt(fadt);
  if (const uint8_t* madt = Find("APIC")) ReadMadt(madt);
}

void PrintCpus() {
  const CpuidResult vendor = Cpuid(0);
  char name[13] = {};
  __builtin_memcpy(name, &vendor.ebx, 4);
  __builtin_memcpy(name + 4, &vendor.edx, 4);
  __builtin_memcpy(name + 8, &vendor.ecx, 4);
  Print("cpus: %u in MADT, %u enabled, boot apic id %u, vendor %s\n", uint64_t{acpi_info.cpus},
        uint64_t{acpi_info.enabled_cpus}, uint64_t{Cpuid(1).ebx >> 24}, name);
  Print("cpus: monitor and mwait %s\n", (Cpuid(1).ecx & kCpuidMonitor) != 0 ? "yes" : "no");
  for (uint32_t i = 0; i < acpi_info.cpus; ++i) {
    Print("cpus: cpu %u apic id %u\n", uint64_t{i}, uint64_t{acpi_info.apic_id[i]});
  }
}

void PrintAcpi() {
  if (!acpi_info.found) {
    Print("acpi: none\n");
    return;
  }
  Print("acpi:");
  for (uint32_t i = 0; i < acpi_info.tables; ++i) {
    const char* s = At<char>(acpi_info.table[i]);
    Print(" %c%c%c%c", s[0], s[1], s[2], s[3]);
  }
  Print("%s\n", acpi_info.checksums_ok ? "" : " (BAD CHECKSUM)");
  if (acpi_info.hardware_reduced) {
    Print("acpi: hardware-reduced, sleep control %x", acpi_info.sleep_control);
  } else {
    Print("acpi: full hardware, pm1 event %x control %x, sci %u", uint64_t{acpi_info.pm1_event},
          uint64_t{acpi_info.pm1_control}, uint64_t{acpi_info.sci});
  }
  Print(", reset %s %x value %x\n", acpi_info.reset_space == 1 ? "port" : "memory",
        acpi_info.reset_register, uint64_t{acpi_info.reset_value});
  if (!acpi_info.hardware_reduced) {
    Print("acpi: lapic %x, ioapic %x gsi base %u (%u in all)\n", acpi_info.lapic, acpi_info.ioapic,
          uint64_t{acpi_info.ioapic_gsi_base}, uint64_t{acpi_info.ioapics});
    return;
  }
  Print("acpi: lapic %x, ioapic %x gsi base %u (%u in all), event device %s %x gsi %u\n",
        acpi_info.lapic, acpi_info.ioapic, uint64_t{acpi_info.ioapic_gsi_base},
        uint64_t{acpi_info.ioapics}, acpi_info.ged_found ? "at" : "not found, assumed at",
        acpi_info.ged_registers, uint64_t{acpi_info.ged_gsi});
}

void EnablePm1Button() {
  if (acpi_info.pm1_event != 0) Out16(uint16_t(acpi_info.pm1_event + 2), kPm1Button);
}

bool TakePm1Button() {
  if (acpi_info.pm1_event == 0 || (In16(acpi_info.pm1_event) & kPm1Button) == 0) return false;
  Out16(acpi_info.pm1_event, kPm1Button);
  return true;
}

void EnableGpes(uint8_t events) {
  if (acpi_info.gpe0 != 0) Out8(uint16_t(acpi_info.gpe0 + acpi_info.gpe0_length / 2), events);
}

uint8_t TakeGpes() {
  if (acpi_info.gpe0 == 0) return 0;
  const uint8_t enabled = In8(uint16_t(acpi_info.gpe0 + acpi_info.gpe0_length / 2));
  const uint8_t events = In8(acpi_info.gpe0) & enabled;
  if (events != 0) Out8(acpi_info.gpe0, events);
  return events;
}

void AcpiPowerOff() {
  if (acpi_info.pm1_control != 0) {
    Out16(acpi_info.pm1_control, uint16_t(acpi_info.sleep_type_s5 << 10 | 0x2000));
    return;
  }
  if (acpi_info.sleep_control == 0) {
    Print("power off: no sleep control register\n");
    return;
  }
  Mmio<uint8_t>(acpi_info.sleep_control) = uint8_t((acpi_info.sleep_type_s5 << 2) | 0x20);
}

void AcpiReset() {
  if (acpi_info.reset_register == 0) {
    Print("reset: no reset register\n");
  } else if (acpi_info.reset_space == 1) {
    Out8(uint16_t(acpi_info.reset_register), acpi_info.reset_value);
  } else {
    Mmio<uint8_t>(acpi_info.reset_register) = acpi_info.reset_value;
  }
}

}  // namespace probe
