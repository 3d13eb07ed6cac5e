// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// SRAT and SLIT beside those that QEMU 7.2.22 wrote for the same machines (read from its fw_cfg);
// headers apart, which name the maker.
#include "vmm/boot/acpi/numa.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>

#include "vmm/base/endian.h"
#include "vmm/base/units.h"
#include "vmm/boot/acpi/tables.h"

namespace davit::boot {
namespace {

constexpr size_t kHeader = sizeof(acpi::Header);

std::string Hex(std::span<const std::byte> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    text += kDigits[static_cast<uint8_t>(b) >> 4];
    text += kDigits[static_cast<uint8_t>(b) & 15];
  }
  return text;
}

// What follows the header, entry by entry.
void ExpectEntries(const std::vector<std::byte>& srat,
                   std::initializer_list<std::string_view> entries) {
  ASSERT_EQ(acpi::Checksum(srat), 0);
  EXPECT_EQ(LoadLe(&srat[4], 4), srat.size());
  EXPECT_EQ(LoadLe(&srat[8], 1), 1u) << "revision";
  const auto body = std::span(srat).subspan(kHeader);
  EXPECT_EQ(Hex(body.first(12)), "010000000000000000000000");
  auto rest = body.subspan(12);
  for (const std::string_view entry : entries) {
    const size_t size = entry.size() / 2;
    ASSERT_LE(size, rest.size()) << entry;
    EXPECT_EQ(Hex(rest.first(size)), entry);
    rest = rest.subspan(size);
  }
  EXPECT_TRUE(rest.empty()) << Hex(rest);
}

constexpr std::string_view kDisabled =
    "01280000000000000000000000000000000000000000000000000000000000000000000000000000";

// -m 128,slots=2,maxmem=1G -smp 2,maxcpus=3, CPU 0 in node 0, the others in node 1
Q35AcpiConfig TwoNodes() {
  Q35AcpiConfig config;
  config.cpus = {{0, true, 0}, {1, true, 1}, {2, false, 1}};
  config.ram_below_4g = 128 * kMiB;
  config.numa_nodes = {64 * kMiB, 64 * kMiB};
  config.device_memory = Q35DeviceMemory(128 * kMiB, kGiB, 2);
  return config;
}

TEST(Numa, SratNamesCpusRamAndTheWindowForMore) {
  ExpectEntries(
      BuildSrat(TwoNodes()),
      {"00100000010000000000000000000000", "00100101010000000000000000000000",
       "00100102010000000000000000000000",
       "0128000000000000000000000000000000000a000000000000000000010000000000000000000000",
       "012800000000000000001000000000000000f0030000000000000000010000000000000000000000",
       "01280100000000000000000400000000000000040000000000000000010000000000000000000000",
       kDisabled,
       "01280100000000000000000001000000000000b80000000000000000030000000000000000000000"});
}

TEST(Numa, NodesAreSplitAtTheHolesBelow1MiBAnd4GiB) {
  // -m 5G,slots=2,maxmem=8G in nodes of 1, 2 and 2 GiB
  Q35AcpiConfig config;
  config.cpus = {{0, true, 0}, {1, true, 0}};
  config.ram_below_4g = Q35MaxRamBelow4G(5 * kGiB);
  config.numa_nodes = {kGiB, 2 * kGiB, 2 * kGiB};
  config.device_memory = Q35DeviceMemory(5 * kGiB, 8 * kGiB, 2);
  ExpectEntries(
      BuildSrat(config),
      {"00100000010000000000000000000000", "00100001010000000000000000000000",
       "0128000000000000000000000000000000000a000000000000000000010000000000000000000000",
       "012800000000000000001000000000000000f03f0000000000000000010000000000000000000000",
       "01280100000000000000004000000000000000400000000000000000010000000000000000000000",
       "01280100000000000000000001000000000000400000000000000000010000000000000000000000",
       "01280200000000000000004001000000000000800000000000000000010000000000000000000000",
       "0128020000000000000000c001000000000000400100000000000000030000000000000000000000"});
  // A border below 640 KiB, and one behind 1 MiB.
  config = {};
  config.cpus = {{0, true, 0}};
  config.ram_below_4g = 2 * kGiB;
  config.numa_nodes = {512 * kKiB, 1536 * kKiB, 2046 * kMiB};
  ExpectEntries(BuildSrat(config),
                {"00100000010000000000000000000000",
                 "01280000000000000000000000000000000008000000000000000000010000000000000000000000",
                 "01280100000000000000080000000000000002000000000000000000010000000000000000000000",
                 "01280100000000000000100000000000000010000000000000000000010000000000000000000000",
                 "012802000000000000002000000000000000e07f0000000000000000010000000000000000000000",
                 kDisabled});
}

TEST(Numa, ANodeThatEndsInTheHoleHasNothingOfWhatIsBehind) {
  Q35AcpiConfig config;
  config.cpus = {{0, true, 0}};
  config.ram_below_4g = 128 * kMiB;
  config.numa_nodes = {768 * kKiB, 128 * kMiB - 768 * kKiB};
  ExpectEntries(BuildSrat(config),
                {"00100000010000000000000000000000",
                 "0128000000000000000000000000000000000a000000000000000000010000000000000000000000",
                 "012801000000000000001000000000000000f0070000000000000000010000000000000000000000",
                 kDisabled, kDisabled});
}

TEST(Numa, ALongApicIdNeedsTheX2apicForm) {
  Q35AcpiConfig config;
  config.cpus = {{0x123, true, 5}};
  config.ram_below_4g = 128 * kMiB;
  config.numa_nodes = {128 * kMiB};
  const std::vector<std::byte> srat = BuildSrat(config);
  EXPECT_EQ(Hex(std::span(srat).subspan(kHeader + 12, 24)),
            "021800000500000023010000010000000000000000000000");
}

TEST(Numa, SlitIsTheTableOfDistances) {
  Q35AcpiConfig config;
  config.numa_nodes = {kGiB, kGiB, kGiB};
  config.numa_distances = {10, 30, 31, 33, 10, 32, 34, 35, 10};
  const std::vector<std::byte> slit = BuildSlit(config);
  EXPECT_EQ(acpi::Checksum(slit), 0);
  EXPECT_EQ(LoadLe(&slit[8], 1), 1u) << "revision";
  EXPECT_EQ(Hex(std::span(slit).subspan(kHeader)), "03000000000000000a1e1f210a2022230a");
}

}  // namespace
}  // namespace davit::boot
