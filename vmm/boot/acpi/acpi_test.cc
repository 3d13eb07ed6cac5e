// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/boot/acpi/acpi.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "vmm/boot/acpi/tables.h"
#include "vmm/boot/testing/test_images.h"

namespace davit::boot {
namespace {

using acpi::Checksum;
using testing::Bytes;

AcpiConfig SmallConfig() {
  AcpiConfig config;
  config.cpus = {{0, true}, {1, true}};
  config.virtio = MicrovmVirtioMmioMap(true, false);
  return config;
}

std::span<const std::byte> TableAt(const AcpiImage& image, uint64_t address) {
  const std::span<const std::byte> rest = std::span(image.bytes).subspan(address - image.base);
  return rest.first(LoadLe(&rest[4], 4));
}

// All tables by signature, found as a guest finds them.
std::map<std::string, Bytes> Walk(const AcpiImage& image) {
  std::map<std::string, Bytes> tables;
  const auto add = [&](uint64_t address) {
    const std::span<const std::byte> table = TableAt(image, address);
    std::string signature(4, '\0');
    std::memcpy(signature.data(), table.data(), 4);
    tables[signature] = Bytes(table.begin(), table.end());
    return table;
  };
  const std::span<const std::byte> xsdt = add(LoadLe(&image.bytes[24], 8));
  for (size_t i = 36; i < xsdt.size(); i += 8) add(LoadLe(&xsdt[i], 8));
  add(LoadLe(&tables.at("FACP")[140], 8));
  return tables;
}

std::map<std::string, Bytes> Build(const AcpiConfig& config) {
  const Result<AcpiImage> image = BuildAcpi(config);
  EXPECT_TRUE(image) << image.error();
  return Walk(*image);
}

// MADT entries as (type, bytes).
std::vector<Bytes> MadtEntries(const Bytes& madt) {
  std::vector<Bytes> entries;
  for (size_t i = sizeof(acpi::MadtHeader); i < madt.size(); i += size_t(madt[i + 1])) {
    entries.emplace_back(madt.begin() + i, madt.begin() + i + size_t(madt[i + 1]));
  }
  return entries;
}

TEST(BuildAcpi, RootPointerAndChecksums) {
  const Result<AcpiImage> image = BuildAcpi(SmallConfig());
  ASSERT_TRUE(image) << image.error();
  EXPECT_EQ(image->rsdp, kAcpiTablesBase);
  EXPECT_EQ(std::memcmp(image->bytes.data(), "RSD PTR ", 8), 0);
  EXPECT_EQ(Checksum(std::span(image->bytes).first(20)), 0);
  EXPECT_EQ(Checksum(std::span(image->bytes).first(36)), 0);
  const std::map<std::string, Bytes> tables = Walk(*image);
  EXPECT_EQ(tables.size(), 4u);
  for (const auto& [name, table] : tables) EXPECT_EQ(Checksum(table), 0) << name;
}

TEST(BuildAcpi, FadtIsHardwareReducedWithSleepAndReset) {
  const Bytes fadt = Build(SmallConfig()).at("FACP");
  EXPECT_EQ(LoadLe(&fadt[112], 4) & 0x100400, 0x100400u);
  EXPECT_EQ(LoadLe(&fadt[120], 8), 0xfea00202u);
  EXPECT_EQ(fadt[128], std::byte{0x42});
  EXPECT_EQ(LoadLe(&fadt[248], 8), 0xfea00200u);
  EXPECT_EQ(LoadLe(&fadt[260], 8), 0xfea00201u);
  EXPECT_EQ(LoadLe(&fadt[109], 2), 0x25u) << "legacy devices, no VGA, no RTC, no 8042";
}

TEST(BuildAcpi, FadtFollowsTheDevices) {
  AcpiConfig config = SmallConfig();
  config.rtc = true;
  config.i8042 = true;
  EXPECT_EQ(LoadLe(&Build(config).at("FACP")[109], 2), 0x07u);
  config.rtc = config.i8042 = config.serial = false;
  EXPECT_EQ(LoadLe(&Build(config).at("FACP")[109], 2), 0x24u);
}

TEST(BuildAcpi, MadtListsCpusIoapicAndNmi) {
  AcpiConfig config = SmallConfig();
  config.pic = true;
  config.cpus[1].enabled = false;
  const Bytes madt = Build(config).at("APIC");
  EXPECT_EQ(LoadLe(&madt[36], 4), kLapicBase);
  EXPECT_EQ(LoadLe(&madt[40], 4), 1u);
  const std::vector<Bytes> entries = MadtEntries(madt);
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(LoadLe(entries[0].data(), 8), 0x0000000100000800u);
  EXPECT_EQ(LoadLe(entries[1].data(), 8), 0x0000000201010800u);
  EXPECT_EQ(LoadLe(&entries[2][4], 8), kIoapicBase);
  EXPECT_EQ(entries[3][0], std::byte{4});
}

TEST(BuildAcpi, SecondIoapicStartsAtPin24) {
  AcpiConfig config = SmallConfig();
  config.ioapic2 = true;
  config.virtio = MicrovmVirtioMmioMap(true, true);
  const std::vector<Bytes> entries = MadtEntries(Build(config).at("APIC"));
  ASSERT_EQ(entries.size(), 5u);
  EXPECT_EQ(LoadLe(&entries[3][4], 4), kIoapic2Base);
  EXPECT_EQ(LoadLe(&entries[3][8], 4), 24u);
}

TEST(BuildAcpi, LargeApicIdsUseX2apicEntries) {
  AcpiConfig config = SmallConfig();
  config.cpus = {{0, true}, {254, true}, {255, true}, {1000, true}};
  const std::vector<Bytes> entries = MadtEntries(Build(config).at("APIC"));
  ASSERT_EQ(entries.size(), 7u);
  EXPECT_EQ(entries[1][0], std::byte{0});
  EXPECT_EQ(entries[2][0], std::byte{9});
  EXPECT_EQ(LoadLe(&entries[2][4], 4), 255u);
  EXPECT_EQ(LoadLe(&entries[3][4], 4), 1000u);
  EXPECT_EQ(LoadLe(&entries[3][12], 4), 3u) << "processor UID";
  EXPECT_EQ(entries[6][0], std::byte{10}) << "NMI of the x2APICs";
}

TEST(BuildAcpi, LargestMachineFits) {
  AcpiConfig config = SmallConfig();
  config.cpus.assign(255, {});
  for (uint32_t i = 0; i < 255; ++i) config.cpus[i].apic_id = i;
  config.rtc = config.ioapic2 = true;
  config.virtio = MicrovmVirtioMmioMap(true, true);
  for (size_t slot = 0; slot < config.virtio.slots; ++slot) config.virtio_slots.push_back(slot);
  const Result<AcpiImage> image = BuildAcpi(config);
  ASSERT_TRUE(image) << image.error();
  EXPECT_LT(image->bytes.size(), 16u * 1024);
}

TEST(BuildAcpi, TooManyCpusAreAnError) {
  AcpiConfig config = SmallConfig();
  config.cpus.assign(4000, {});
  const Result<AcpiImage> image = BuildAcpi(config);
  ASSERT_FALSE(image);
  EXPECT_EQ(image.error().message.find("ACPI tables are too large (max: 131072, need "), 0u);
}

TEST(WriteAcpi, TablesLieOnTheLegacySearchPath) {
  const memory::GuestMemory memory = testing::MakeMemory(4 << 20);
  const Result<AcpiImage> image = BuildAcpi(SmallConfig());
  ASSERT_TRUE(image);
  ASSERT_TRUE(WriteAcpi(memory, *image));
  EXPECT_EQ(testing::ReadInt(memory, 0xe0000, 8), 0x2052545020445352u) << "RSD PTR ";
}

TEST(WriteAcpi, TooSmallMachineIsNamed) {
  const Result<AcpiImage> image = BuildAcpi(SmallConfig());
  ASSERT_TRUE(image);
  const Status written = WriteAcpi(testing::MakeMemory(512 << 10), *image);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().message,
            "not enough RAM to boot: the machine has 512 KiB, at least 2048 KiB needed");
}

}  // namespace
}  // namespace davit::boot
