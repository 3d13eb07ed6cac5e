// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// FADT, MADT, XSDT, RSDP and the placing of all tables.
#include "vmm/boot/acpi/acpi.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "vmm/boot/acpi/table_writer.h"
#include "vmm/boot/acpi/tables.h"
#include "vmm/boot/memory_map.h"

namespace davit::boot {
namespace {

using Table = std::vector<std::byte>;

constexpr uint8_t kFadtRevision = 6;
constexpr uint8_t kMadtRevision = 4;
constexpr uint64_t kTableAlign = 16;

// FADT flags (5.2.9, table 5.10).
constexpr uint32_t kWbinvd = 1u << 0;
constexpr uint32_t kPowerButtonIsControlMethod = 1u << 4;
constexpr uint32_t kSleepButtonIsControlMethod = 1u << 5;
constexpr uint32_t kResetRegisterSupported = 1u << 10;
constexpr uint32_t kHardwareReduced = 1u << 20;

// IA-PC boot architecture flags (table 5.11).
constexpr uint16_t kLegacyDevices = 1u << 0;
constexpr uint16_t k8042 = 1u << 1;
constexpr uint16_t kVgaNotPresent = 1u << 2;
constexpr uint16_t kCmosRtcNotPresent = 1u << 5;

// MADT (5.2.12).
constexpr uint32_t kPcAtCompatible = 1u << 0;
constexpr uint32_t kLapicEnabled = 1u << 0;
constexpr uint32_t kLapicOnlineCapable = 1u << 1;
constexpr uint8_t kNmiLint = 1;
// IDs from here on need the x2APIC form.
constexpr uint32_t kFirstX2apicId = 255;

template <typename T>
void Append(Table* table, const T& value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  table->insert(table->end(), bytes.begin(), bytes.end());
}

acpi::GenericAddress ByteRegister(uint64_t address) {
  acpi::GenericAddress gas{};
  gas.bit_width = 8;
  gas.access_size = 1;
  gas.address = address;
  return gas;
}

Table BuildFadt(const AcpiConfig& config, uint64_t dsdt) {
  acpi::Fadt fadt{};
  fadt.header = acpi::MakeHeader("FACP", kFadtRevision);
  fadt.dsdt = static_cast<uint32_t>(dsdt);
  fadt.x_dsdt = dsdt;
  fadt.iapc_boot_arch =
      static_cast<uint16_t>(kVgaNotPresent | (config.serial || config.rtc ? kLegacyDevices : 0) |
                            (config.i8042 ? k8042 : 0) | (config.rtc ? 0 : kCmosRtcNotPresent));
  fadt.flags = kWbinvd | kPowerButtonIsControlMethod | kSleepButtonIsControlMethod |
               kResetRegisterSupported | kHardwareReduced;
  fadt.reset_reg = ByteRegister(kGedReset);
  fadt.reset_value = kGedResetValue;
  fadt.sleep_control_reg = ByteRegister(kGedSleepControl);
  fadt.sleep_status_reg = ByteRegister(kGedSleepStatus);
  Table table;
  Append(&table, fadt);
  acpi::FinishTable(&table);
  return table;
}

void AppendCpu(Table* table, uint32_t uid, const AcpiCpu& cpu) {
  const uint32_t flags = cpu.enabled ? kLapicEnabled : kLapicOnlineCapable;
  if (cpu.apic_id < kFirstX2apicId && uid < kFirstX2apicId) {
    Append(table, acpi::MadtLapic{0, sizeof(acpi::MadtLapic), static_cast<uint8_t>(uid),
                                  static_cast<uint8_t>(cpu.apic_id), flags});
  } else {
    Append(table, acpi::MadtX2apic{9, sizeof(acpi::MadtX2apic), 0, cpu.apic_id, flags, uid});
  }
}

Table BuildMadt(const AcpiConfig& config) {
  acpi::MadtHeader header{};
  header.header = acpi::MakeHeader("APIC", kMadtRevision);
  header.lapic_address = static_cast<uint32_t>(kLapicBase);
  header.flags = config.pic ? kPcAtCompatible : 0;
  Table table;
  Append(&table, header);
  bool x2apic = false;
  for (size_t uid = 0; uid < config.cpus.size(); ++uid) {
    AppendCpu(&table, static_cast<uint32_t>(uid), config.cpus[uid]);
    x2apic |= config.cpus[uid].apic_id >= kFirstX2apicId || uid >= kFirstX2apicId;
  }
  Append(&table, acpi::MadtIoapic{1, sizeof(acpi::MadtIoapic), 0, 0,
                                  static_cast<uint32_t>(kIoapicBase), 0});
  if (config.ioapic2) {
    Append(&table, acpi::MadtIoapic{1, sizeof(acpi::MadtIoapic), 1, 0,
                                    static_cast<uint32_t>(kIoapic2Base), kIoapicPins});
  }
  // No overrides: the ISA interrupts are edge-triggered on the pins of their own number.
  Append(&table, acpi::MadtLapicNmi{4, sizeof(acpi::MadtLapicNmi), 0xff, 0, kNmiLint});
  if (x2apic) {
    Append(&table,
           acpi::MadtX2apicNmi{10, sizeof(acpi::MadtX2apicNmi), 0, 0xffffffff, kNmiLint, {}});
  }
  acpi::FinishTable(&table);
  return table;
}

Table BuildXsdt(std::span<const uint64_t> tables) {
  Table body;
  for (uint64_t address : tables) Append(&body, le64(address));
  return acpi::MakeTable("XSDT", 1, body);
}

acpi::Rsdp BuildRsdp(uint64_t xsdt) {
  acpi::Rsdp rsdp{};
  rsdp.signature = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
  rsdp.oem_id = acpi::MakeHeader("XSDT", 1).oem_id;
  rsdp.revision = 2;
  rsdp.length = sizeof(rsdp);
  rsdp.xsdt_address = xsdt;
  const auto bytes = std::as_bytes(std::span(&rsdp, 1));
  rsdp.checksum = acpi::Checksum(bytes.first(acpi::kRsdpFirstPart));
  rsdp.extended_checksum = acpi::Checksum(bytes);
  return rsdp;
}

// Puts a table behind the others and returns its guest address.
uint64_t Place(AcpiImage* image, const Table& table) {
  image->bytes.resize(AlignUp(image->bytes.size(), kTableAlign));
  const uint64_t address = image->base + image->bytes.size();
  image->bytes.insert(image->bytes.end(), table.begin(), table.end());
  return address;
}

}  // namespace

Result<AcpiImage> BuildAcpi(const AcpiConfig& config) {
  AcpiImage image;
  image.base = image.rsdp = kAcpiTablesBase;
  image.bytes.resize(sizeof(acpi::Rsdp));
  const uint64_t dsdt = Place(&image, BuildDsdt(config));
  const uint64_t fadt = Place(&image, BuildFadt(config, dsdt));
  const uint64_t madt = Place(&image, BuildMadt(config));
  const std::array tables = {fadt, madt};
  const acpi::Rsdp rsdp = BuildRsdp(Place(&image, BuildXsdt(tables)));
  std::memcpy(image.bytes.data(), &rsdp, sizeof(rsdp));
  if (image.bytes.size() > kAcpiTablesSize) {
    return Fail(fmt::format("ACPI tables are too large (max: {}, need {})", kAcpiTablesSize,
                            image.bytes.size()));
  }
  return image;
}

Status WriteAcpi(const memory::GuestMemory& memory, const AcpiImage& image) {
  DAVIT_TRY(CheckLowMemory(memory));
  return memory.Write(memory::GuestAddress{image.base}, image.bytes);
}

}  // namespace davit::boot
