// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Wire structures of the fixed ACPI tables (ACPI 6.4, 5.2), and their checksums.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "vmm/base/endian.h"

namespace davit::boot::acpi {

// 5.2.5.3. The first checksum covers 20 bytes, the second all 36.
struct Rsdp {
  std::array<char, 8> signature;
  uint8_t checksum;
  std::array<char, 6> oem_id;
  uint8_t revision;
  le32 rsdt_address;
  le32 length;
  le64 xsdt_address;
  uint8_t extended_checksum;
  uint8_t reserved[3];
};
static_assert(sizeof(Rsdp) == 36);
inline constexpr size_t kRsdpFirstPart = 20;

// 5.2.6.
struct Header {
  std::array<char, 4> signature;
  le32 length;
  uint8_t revision;
  uint8_t checksum;
  std::array<char, 6> oem_id;
  std::array<char, 8> oem_table_id;
  le32 oem_revision;
  std::array<char, 4> creator_id;
  le32 creator_revision;
};
static_assert(sizeof(Header) == 36);
static_assert(offsetof(Header, checksum) == 9);

// 5.2.3.2; space 0 is system memory.
struct GenericAddress {
  uint8_t space;
  uint8_t bit_width;
  uint8_t bit_offset;
  uint8_t access_size;
  le64 address;
};
static_assert(sizeof(GenericAddress) == 12);

// Revisions of the FADT and the MADT (5.2.9, 5.2.12).
inline constexpr uint8_t kFadtRevision = 6;
inline constexpr uint8_t kMadtRevision = 4;

// FADT flags (5.2.9, table 5.10) that more than one machine has.
inline constexpr uint32_t kWbinvd = 1u << 0;
inline constexpr uint32_t kSleepButtonIsControlMethod = 1u << 5;
inline constexpr uint32_t kResetRegisterSupported = 1u << 10;
// IA-PC boot architecture flags (table 5.11), likewise.
inline constexpr uint16_t kLegacyDevices = 1u << 0;
inline constexpr uint16_t kVgaNotPresent = 1u << 2;

// 5.2.9. In a hardware-reduced table the PM blocks are absent.
struct PmBlocks {
  le32 smi_cmd;
  uint8_t acpi_enable;
  uint8_t acpi_disable;
  uint8_t s4bios_req;
  uint8_t pstate_cnt;
  le32 pm1a_evt;
  le32 pm1b_evt;
  le32 pm1a_cnt;
  le32 pm1b_cnt;
  le32 pm2_cnt;
  le32 pm_tmr;
  le32 gpe0;
  le32 gpe1;
  uint8_t pm1_evt_len;
  uint8_t pm1_cnt_len;
  uint8_t pm2_cnt_len;
  uint8_t pm_tmr_len;
  uint8_t gpe0_len;
  uint8_t gpe1_len;
  uint8_t gpe1_base;
  uint8_t cst_cnt;
  le16 c2_latency;
  le16 c3_latency;
  le16 flush_size;
  le16 flush_stride;
  uint8_t duty_offset;
  uint8_t duty_width;
  uint8_t day_alarm;
  uint8_t month_alarm;
  uint8_t century;
};
static_assert(sizeof(PmBlocks) == 109 - 48);

struct Fadt {
  Header header;
  le32 firmware_ctrl;
  le32 dsdt;
  uint8_t reserved0;
  uint8_t preferred_pm_profile;
  le16 sci_int;
  PmBlocks pm;
  le16 iapc_boot_arch;
  uint8_t reserved1;
  le32 flags;
  GenericAddress reset_reg;
  uint8_t reset_value;
  le16 arm_boot_arch;
  uint8_t minor_version;
  le64 x_firmware_ctrl;
  le64 x_dsdt;
  GenericAddress x_pm1a_evt;
  GenericAddress x_pm1b_evt;
  GenericAddress x_pm1a_cnt;
  GenericAddress x_pm1b_cnt;
  GenericAddress x_pm2_cnt;
  GenericAddress x_pm_tmr;
  GenericAddress x_gpe0;
  GenericAddress x_gpe1;
  GenericAddress sleep_control_reg;
  GenericAddress sleep_status_reg;
  le64 hypervisor_vendor;
};
static_assert(offsetof(Fadt, iapc_boot_arch) == 109);
static_assert(offsetof(Fadt, flags) == 112);
static_assert(offsetof(Fadt, x_dsdt) == 140);
static_assert(offsetof(Fadt, sleep_control_reg) == 244);
static_assert(sizeof(Fadt) == 276);

// 5.2.10. Has no checksum.
struct Facs {
  std::array<char, 4> signature;
  le32 length;
  le32 hardware_signature;
  le32 waking_vector;
  le32 global_lock;
  le32 flags;
  le64 x_waking_vector;
  uint8_t version;
  uint8_t reserved0[3];
  le32 ospm_flags;
  uint8_t reserved1[24];
};
static_assert(sizeof(Facs) == 64);

// PCI Firmware 3.2, 4.1.2.
struct McfgAllocation {
  le64 base;
  le16 segment;
  uint8_t first_bus;
  uint8_t last_bus;
  le32 reserved;
};
static_assert(sizeof(McfgAllocation) == 16);

// 5.2.12.
struct MadtHeader {
  Header header;
  le32 lapic_address;
  le32 flags;
};
static_assert(sizeof(MadtHeader) == 44);

struct MadtLapic {
  uint8_t type;  // 0
  uint8_t length;
  uint8_t processor_uid;
  uint8_t apic_id;
  le32 flags;
};
static_assert(sizeof(MadtLapic) == 8);

struct MadtIoapic {
  uint8_t type;  // 1
  uint8_t length;
  uint8_t ioapic_id;
  uint8_t reserved;
  le32 address;
  le32 gsi_base;
};
static_assert(sizeof(MadtIoapic) == 12);

struct MadtOverride {
  uint8_t type;  // 2
  uint8_t length;
  uint8_t bus;  // 0: ISA
  uint8_t source;
  le32 gsi;
  le16 flags;
};
static_assert(sizeof(MadtOverride) == 10);

struct MadtLapicNmi {
  uint8_t type;  // 4
  uint8_t length;
  uint8_t processor_uid;  // 0xff: all
  le16 flags;
  uint8_t lint;
};
static_assert(sizeof(MadtLapicNmi) == 6);

struct MadtX2apic {
  uint8_t type;  // 9
  uint8_t length;
  le16 reserved;
  le32 x2apic_id;
  le32 flags;
  le32 processor_uid;
};
static_assert(sizeof(MadtX2apic) == 16);

struct MadtX2apicNmi {
  uint8_t type;  // 10
  uint8_t length;
  le16 flags;
  le32 processor_uid;  // 0xffffffff: all
  uint8_t lint;
  uint8_t reserved[3];
};
static_assert(sizeof(MadtX2apicNmi) == 12);

// 5.2.16: what follows the header of an SRAT is 4 bytes and 8 reserved ones, then entries.
struct SratLapic {
  uint8_t type;  // 0
  uint8_t length;
  uint8_t node_low;  // bits 0 to 7
  uint8_t apic_id;
  le32 flags;
  uint8_t sapic_eid;
  uint8_t node_high[3];
  le32 clock_domain;
};
static_assert(sizeof(SratLapic) == 16);

struct SratMemory {
  uint8_t type;  // 1
  uint8_t length;
  le32 node;
  le16 reserved0;
  le64 base;
  le64 size;
  le32 reserved1;
  le32 flags;
  le64 reserved2;
};
static_assert(sizeof(SratMemory) == 40);

struct SratX2apic {
  uint8_t type;  // 2
  uint8_t length;
  le16 reserved0;
  le32 node;
  le32 x2apic_id;
  le32 flags;
  le32 clock_domain;
  le32 reserved1;
};
static_assert(sizeof(SratX2apic) == 24);

// The byte that makes the sum of `bytes` and itself zero.
constexpr uint8_t Checksum(std::span<const std::byte> bytes) {
  uint8_t sum = 0;
  for (std::byte b : bytes) sum = static_cast<uint8_t>(sum + static_cast<uint8_t>(b));
  return static_cast<uint8_t>(-sum);
}

}  // namespace davit::boot::acpi
