// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// FADT, MADT, XSDT, RSDP and the placing of all tables.
#include "vmm/boot/acpi/acpi.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "vmm/boot/acpi/common.h"
#include "vmm/boot/acpi/table_writer.h"
#include "vmm/boot/acpi/tables.h"
#include "vmm/boot/memory_map.h"

namespace davit::boot {
namespace {

using Table = std::vector<std::byte>;

constexpr uint64_t kTableAlign = 16;

// FADT flags (5.2.9, table 5.10).
constexpr uint32_t kPowerButtonIsControlMethod = 1u << 4;
constexpr uint32_t kHardwareReduced = 1u << 20;

// IA-PC boot architecture flags (table 5.11).
constexpr uint16_t k8042 = 1u << 1;
constexpr uint16_t kCmosRtcNotPresent = 1u << 5;

acpi::GenericAddress ByteRegister(uint64_t address) {
  acpi::GenericAddress gas{};
  gas.bit_width = 8;
  gas.access_size = 1;
  gas.address = address;
  return gas;
}

Table BuildFadt(const AcpiConfig& config, uint64_t dsdt) {
  acpi::Fadt fadt{};
  fadt.header = acpi::MakeHeader("FACP", acpi::kFadtRevision);
  fadt.dsdt = static_cast<uint32_t>(dsdt);
  fadt.x_dsdt = dsdt;
  fadt.iapc_boot_arch = static_cast<uint16_t>(
      acpi::kVgaNotPresent | (config.serial || config.rtc ? acpi::kLegacyDevices : 0) |
      (config.i8042 ? k8042 : 0) | (config.rtc ? 0 : kCmosRtcNotPresent));
  fadt.flags = acpi::kWbinvd | kPowerButtonIsControlMethod | acpi::kSleepButtonIsControlMethod |
               acpi::kResetRegisterSupported | kHardwareReduced;
  fadt.reset_reg = ByteRegister(kGedReset);
  fadt.reset_value = kGedResetValue;
  fadt.sleep_control_reg = ByteRegister(kGedSleepControl);
  fadt.sleep_status_reg = ByteRegister(kGedSleepStatus);
  Table table;
  acpi::Append(&table, fadt);
  acpi::FinishTable(&table);
  return table;
}

Table BuildMadt(const AcpiConfig& config) {
  acpi::MadtHeader header{};
  header.header = acpi::MakeHeader("APIC", acpi::kMadtRevision);
  header.lapic_address = static_cast<uint32_t>(kLapicBase);
  header.flags = config.pic ? acpi::kMadtPcAtCompatible : 0;
  Table table;
  acpi::Append(&table, header);
  acpi::AppendMadtCpus(&table, config.cpus);
  acpi::Append(&table, acpi::MadtIoapic{1, sizeof(acpi::MadtIoapic), 0, 0,
                                        static_cast<uint32_t>(kIoapicBase), 0});
  if (config.ioapic2) {
    acpi::Append(&table, acpi::MadtIoapic{1, sizeof(acpi::MadtIoapic), 1, 0,
                                          static_cast<uint32_t>(kIoapic2Base), kIoapicPins});
  }
  // No overrides: the ISA interrupts are edge-triggered on the pins of their own number.
  acpi::AppendMadtNmi(&table, config.cpus);
  acpi::FinishTable(&table);
  return table;
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
  const std::vector<std::byte> rsdp = acpi::MakeRsdp(Place(&image, acpi::MakeXsdt(tables)));
  std::copy(rsdp.begin(), rsdp.end(), image.bytes.begin());
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
