// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See common.h.
#include "vmm/boot/acpi/common.h"

#include "vmm/boot/acpi/table_writer.h"
#include "vmm/boot/acpi/tables.h"

namespace davit::boot::acpi {
namespace {

using Table = std::vector<std::byte>;

constexpr uint32_t kLapicEnabled = 1u << 0;
constexpr uint32_t kLapicOnlineCapable = 1u << 1;
constexpr uint8_t kNmiLint = 1;
// IDs from here on need the x2APIC form.
constexpr uint32_t kFirstX2apicId = 255;

bool NeedsX2apic(size_t uid, const AcpiCpu& cpu) {
  return cpu.apic_id >= kFirstX2apicId || uid >= kFirstX2apicId;
}

}  // namespace

Table MadtCpu(size_t uid, const AcpiCpu& cpu) {
  Table entry;
  const uint32_t flags = cpu.enabled ? kLapicEnabled : kLapicOnlineCapable;
  if (NeedsX2apic(uid, cpu)) {
    Append(&entry,
           MadtX2apic{9, sizeof(MadtX2apic), 0, cpu.apic_id, flags, static_cast<uint32_t>(uid)});
  } else {
    Append(&entry, MadtLapic{0, sizeof(MadtLapic), static_cast<uint8_t>(uid),
                             static_cast<uint8_t>(cpu.apic_id), flags});
  }
  return entry;
}

void AppendMadtCpus(Table* madt, std::span<const AcpiCpu> cpus) {
  for (size_t i = 0; i < cpus.size(); ++i) {
    const Table entry = MadtCpu(i, cpus[i]);
    madt->insert(madt->end(), entry.begin(), entry.end());
  }
}

void AppendMadtNmi(Table* madt, std::span<const AcpiCpu> cpus) {
  Append(madt, MadtLapicNmi{4, sizeof(MadtLapicNmi), 0xff, 0, kNmiLint});
  for (size_t i = 0; i < cpus.size(); ++i) {
    if (!NeedsX2apic(i, cpus[i])) continue;
    Append(madt, MadtX2apicNmi{10, sizeof(MadtX2apicNmi), 0, 0xffffffff, kNmiLint, {}});
    return;
  }
}

Table MakeXsdt(std::span<const uint64_t> tables) {
  Table body;
  for (uint64_t address : tables) Append(&body, le64(address));
  return MakeTable("XSDT", 1, body);
}

Table MakeRsdp(uint64_t xsdt) {
  Rsdp rsdp{};
  rsdp.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
  rsdp.oem_id = MakeHeader("XSDT", 1).oem_id;
  rsdp.revision = 2;
  rsdp.length = sizeof(rsdp);
  rsdp.xsdt_address = xsdt;
  const auto bytes = std::as_bytes(std::span(&rsdp, 1));
  rsdp.checksum = Checksum(bytes.first(kRsdpFirstPart));
  rsdp.extended_checksum = Checksum(bytes);
  Table out;
  Append(&out, rsdp);
  return out;
}

}  // namespace davit::boot::acpi
