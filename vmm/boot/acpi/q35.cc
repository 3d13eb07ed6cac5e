// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// FADT, FACS, MADT, MCFG, WAET of the q35 and the order of all tables.
#include "vmm/boot/acpi/q35.h"

#include <fmt/format.h>

#include "vmm/boot/acpi/common.h"
#include "vmm/boot/acpi/numa.h"
#include "vmm/boot/acpi/table_writer.h"
#include "vmm/boot/acpi/tables.h"
#include "vmm/boot/q35_layout.h"

namespace davit::boot {
namespace {

using Table = std::vector<std::byte>;

// FADT flags (5.2.9, table 5.10). The power button is the one of the PM1 block; nothing is awake
// in S4, since there is no S4.
constexpr uint32_t kC1OnAll = 1u << 2;
constexpr uint32_t kUsePlatformClock = 1u << 15;

constexpr uint8_t kResetValue = 0x0f;
constexpr uint8_t kCenturyIndex = 0x32;
constexpr uint16_t kNoC2OrC3 = 0xfff;
// MADT override flags: active high, level-triggered.
constexpr uint16_t kLevelHigh = 0xd;
constexpr uint32_t kWaetOneTimerRead = 1u << 1;  // the PM timer needs no second read

acpi::GenericAddress Port(uint64_t address, uint8_t bits) {
  acpi::GenericAddress gas{};
  gas.space = 1;
  gas.bit_width = bits;
  gas.address = address;
  return gas;
}

// No SMI command port: the platform is in ACPI mode from reset on, as QEMU's without SMM.
Table BuildFadt() {
  constexpr uint16_t kEvent = kQ35PmBase + kPm1EventOffset;
  constexpr uint16_t kControl = kQ35PmBase + kPm1ControlOffset;
  constexpr uint16_t kTimer = kQ35PmBase + kPmTimerOffset;
  constexpr uint16_t kGpe0 = kQ35PmBase + kGpe0Offset;
  acpi::Fadt fadt{};
  fadt.header = acpi::MakeHeader("FACP", acpi::kFadtRevision);
  fadt.sci_int = static_cast<uint16_t>(kSciGsi);
  fadt.pm.pm1a_evt = kEvent;
  fadt.pm.pm1a_cnt = kControl;
  fadt.pm.pm_tmr = kTimer;
  fadt.pm.gpe0 = kGpe0;
  fadt.pm.pm1_evt_len = 4;
  fadt.pm.pm1_cnt_len = 2;
  fadt.pm.pm_tmr_len = 4;
  fadt.pm.gpe0_len = kGpe0Size;
  fadt.pm.c2_latency = kNoC2OrC3;
  fadt.pm.c3_latency = kNoC2OrC3;
  fadt.pm.century = kCenturyIndex;
  fadt.x_pm1a_evt = Port(kEvent, 32);
  fadt.x_pm1a_cnt = Port(kControl, 16);
  fadt.x_pm_tmr = Port(kTimer, 32);
  fadt.x_gpe0 = Port(kGpe0, 8 * kGpe0Size);
  fadt.iapc_boot_arch = acpi::kLegacyDevices | acpi::kVgaNotPresent;
  fadt.flags = acpi::kWbinvd | kC1OnAll | acpi::kSleepButtonIsControlMethod |
               acpi::kResetRegisterSupported | kUsePlatformClock;
  fadt.reset_reg = Port(kResetControlPort, 8);
  fadt.reset_value = kResetValue;
  Table table;
  acpi::Append(&table, fadt);
  acpi::FinishTable(&table);
  return table;
}

Table BuildFacs() {
  acpi::Facs facs{};
  facs.signature = {'F', 'A', 'C', 'S'};
  facs.length = sizeof(facs);
  Table table;
  acpi::Append(&table, facs);
  return table;
}

Table BuildMadt(const Q35AcpiConfig& config) {
  acpi::MadtHeader header{};
  header.header = acpi::MakeHeader("APIC", acpi::kMadtRevision);
  header.lapic_address = static_cast<uint32_t>(kLapicBase);
  header.flags = config.pic ? acpi::kMadtPcAtCompatible : 0;
  Table table;
  acpi::Append(&table, header);
  acpi::AppendMadtCpus(&table, config.cpus);
  acpi::Append(&table, acpi::MadtIoapic{1, sizeof(acpi::MadtIoapic), 0, 0,
                                        static_cast<uint32_t>(kIoapicBase), 0});
  // The SCI, and what the PIRQs can be routed to. IRQ 0 is on the pin of its own number.
  for (uint8_t irq : {5, 9, 10, 11}) {
    acpi::Append(&table,
                 acpi::MadtOverride{2, sizeof(acpi::MadtOverride), 0, irq, irq, kLevelHigh});
  }
  acpi::AppendMadtNmi(&table, config.cpus);
  acpi::FinishTable(&table);
  return table;
}

Table BuildMcfg() {
  Table body;
  acpi::Append(&body, le64(0));
  acpi::Append(
      &body, acpi::McfgAllocation{kQ35EcamBase, 0, 0, static_cast<uint8_t>(kQ35EcamBuses - 1), 0});
  return acpi::MakeTable("MCFG", 1, body);
}

Table BuildWaet() {
  Table body;
  acpi::Append(&body, le32(kWaetOneTimerRead));
  return acpi::MakeTable("WAET", 1, body);
}

}  // namespace

Q35Acpi BuildQ35Acpi(const Q35AcpiConfig& config) {
  constexpr size_t kFacsAlign = 64;
  Q35Acpi out;
  acpi::Blob& blob = out.tables;
  const size_t facs = blob.Add(BuildFacs(), kFacsAlign, true);
  const size_t dsdt = blob.Add(BuildQ35Dsdt(config));
  Table fadt_table = BuildFadt();
  StoreLe(&fadt_table[offsetof(acpi::Fadt, firmware_ctrl)], 4, facs);
  StoreLe(&fadt_table[offsetof(acpi::Fadt, dsdt)], 4, dsdt);
  StoreLe(&fadt_table[offsetof(acpi::Fadt, x_dsdt)], 8, dsdt);
  const size_t fadt = blob.Add(fadt_table);
  blob.AddPointer(fadt + offsetof(acpi::Fadt, firmware_ctrl), 4);
  blob.AddPointer(fadt + offsetof(acpi::Fadt, dsdt), 4);
  blob.AddPointer(fadt + offsetof(acpi::Fadt, x_dsdt), 8);
  const size_t madt = blob.Add(BuildMadt(config));
  std::vector<uint64_t> tables = {fadt, madt};
  if (!config.numa_nodes.empty()) tables.push_back(blob.Add(BuildSrat(config)));
  if (!config.numa_distances.empty()) tables.push_back(blob.Add(BuildSlit(config)));
  const size_t mcfg = blob.Add(BuildMcfg());
  const size_t waet = blob.Add(BuildWaet());
  tables.insert(tables.end(), {mcfg, waet});
  const size_t xsdt = blob.Add(acpi::MakeXsdt(tables));
  for (size_t i = 0; i < tables.size(); ++i) {
    blob.AddPointer(xsdt + sizeof(acpi::Header) + 8 * i, 8);
  }
  out.rsdp = acpi::MakeRsdp(xsdt);
  return out;
}

Result<AcpiImage> PlaceQ35Acpi(const Q35Acpi& acpi) {
  constexpr uint64_t kTables = kAcpiTablesBase + 64;
  static_assert(sizeof(acpi::Rsdp) <= 64);
  AcpiImage image;
  image.base = image.rsdp = kAcpiTablesBase;
  const uint64_t xsdt = LoadLe(&acpi.rsdp[offsetof(acpi::Rsdp, xsdt_address)], 8);
  image.bytes = acpi::MakeRsdp(kTables + xsdt);
  image.bytes.resize(kTables - kAcpiTablesBase);
  const std::vector<std::byte> tables = acpi.tables.At(kTables);
  image.bytes.insert(image.bytes.end(), tables.begin(), tables.end());
  if (image.bytes.size() > kAcpiTablesSize) {
    return Fail(fmt::format("ACPI tables are too large (max: {}, need {})", kAcpiTablesSize,
                            image.bytes.size()));
  }
  return image;
}

}  // namespace davit::boot
