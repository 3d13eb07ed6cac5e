// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/boot/acpi/q35.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>

#include "vmm/boot/acpi/tables.h"
#include "vmm/boot/q35_layout.h"

namespace davit::boot {
namespace {

using Bytes = std::vector<std::byte>;

Q35AcpiConfig SmallConfig() {
  Q35AcpiConfig config;
  config.cpus = {{0, true}, {1, true}};
  config.ram_below_4g = 128 * kMiB;
  config.serials[0] = true;
  return config;
}

struct Memory {
  uint64_t base;
  Bytes bytes;
  std::span<const std::byte> Table(uint64_t address) const {
    const auto rest = std::span(bytes).subspan(address - base);
    return rest.first(LoadLe(&rest[4], 4));
  }
};

// All tables by signature, from an RSDP on.
std::map<std::string, Bytes> Walk(const Memory& memory, std::span<const std::byte> rsdp) {
  std::map<std::string, Bytes> tables;
  const auto add = [&](uint64_t address) {
    const auto table = memory.Table(address);
    std::string name(4, ' ');
    std::memcpy(name.data(), table.data(), 4);
    tables[name] = Bytes(table.begin(), table.end());
    return table;
  };
  const auto xsdt = add(LoadLe(&rsdp[24], 8));
  for (size_t i = 36; i < xsdt.size(); i += 8) add(LoadLe(&xsdt[i], 8));
  const Bytes& fadt = tables.at("FACP");
  add(LoadLe(&fadt[36], 4));
  add(LoadLe(&fadt[140], 8));
  return tables;
}

std::map<std::string, Bytes> Placed(const Q35AcpiConfig& config) {
  const Result<AcpiImage> image = PlaceQ35Acpi(BuildQ35Acpi(config));
  EXPECT_TRUE(image) << image.error();
  return Walk({image->base, image->bytes}, image->bytes);
}

void ExpectSound(const std::map<std::string, Bytes>& tables) {
  EXPECT_EQ(tables.size(), 7u);
  for (const auto& [name, table] : tables) {
    if (name == "FACS") continue;
    EXPECT_EQ(acpi::Checksum(table), 0) << name;
  }
}

TEST(Q35Acpi, PlacedTablesHaveTheirPointersAndChecksums) {
  const Result<AcpiImage> image = PlaceQ35Acpi(BuildQ35Acpi(SmallConfig()));
  ASSERT_TRUE(image) << image.error();
  EXPECT_EQ(image->rsdp, 0xe0000u);
  EXPECT_EQ(acpi::Checksum(std::span(image->bytes).first(20)), 0);
  EXPECT_EQ(acpi::Checksum(std::span(image->bytes).first(36)), 0);
  ExpectSound(Walk({image->base, image->bytes}, image->bytes));
}

TEST(Q35Acpi, NodesHaveTheirTablesAndCpusTheirNode) {
  Q35AcpiConfig config = SmallConfig();
  const auto pxm = [](const Bytes& dsdt) {
    const std::string text(reinterpret_cast<const char*>(dsdt.data()), dsdt.size());
    return text.find("_PXM") != std::string::npos;
  };
  EXPECT_FALSE(pxm(Placed(config).at("DSDT")));
  config.cpus = {{0, true, 0}, {1, true, 1}};
  config.numa_nodes = {64 * kMiB, 64 * kMiB};
  auto tables = Placed(config);
  EXPECT_TRUE(tables.contains("SRAT"));
  EXPECT_FALSE(tables.contains("SLIT"));
  EXPECT_TRUE(pxm(tables.at("DSDT")));
  config.numa_distances = {10, 20, 20, 10};
  EXPECT_TRUE(Placed(config).contains("SLIT"));
}

TEST(Q35Acpi, FadtDescribesThePmBlockAndTheResetPort) {
  const Bytes fadt = Placed(SmallConfig()).at("FACP");
  EXPECT_EQ(LoadLe(&fadt[46], 2), 9u);
  EXPECT_EQ(LoadLe(&fadt[48], 4), 0u) << "no SMI command port";
  EXPECT_EQ(LoadLe(&fadt[56], 4), 0x600u);
  EXPECT_EQ(LoadLe(&fadt[64], 4), 0x604u);
  EXPECT_EQ(LoadLe(&fadt[76], 4), 0x608u);
  EXPECT_EQ(LoadLe(&fadt[80], 4), 0x620u);
  EXPECT_EQ(LoadLe(&fadt[108], 1), 0x32u);
  EXPECT_EQ(LoadLe(&fadt[112], 4) & (1u << 20 | 1u << 4), 0u) << "full hardware, fixed button";
  EXPECT_EQ(LoadLe(&fadt[116], 1), 1u);
  EXPECT_EQ(LoadLe(&fadt[120], 8), 0xcf9u);
  EXPECT_EQ(LoadLe(&fadt[128], 1), 0x0fu);
}

TEST(Q35Acpi, FacsIsAlignedForTheFirmwaresLock) {
  const Result<AcpiImage> image = PlaceQ35Acpi(BuildQ35Acpi(SmallConfig()));
  ASSERT_TRUE(image);
  const Memory memory{image->base, image->bytes};
  const auto xsdt = memory.Table(LoadLe(&image->bytes[24], 8));
  const auto fadt = memory.Table(LoadLe(&xsdt[36], 8));
  EXPECT_EQ(LoadLe(&fadt[36], 4) % 64, 0u);
}

TEST(Q35Acpi, McfgNamesTheEcamWindow) {
  const Bytes mcfg = Placed(SmallConfig()).at("MCFG");
  ASSERT_EQ(mcfg.size(), 60u);
  EXPECT_EQ(LoadLe(&mcfg[44], 8), 0xb0000000u);
  EXPECT_EQ(LoadLe(&mcfg[54], 2), 0xff00u) << "buses 0 to 255";
}

TEST(Q35Acpi, MadtOverridesTheSciAsLevel) {
  const Bytes madt = Placed(SmallConfig()).at("APIC");
  bool found = false;
  for (size_t i = 44; i < madt.size(); i += size_t(madt[i + 1])) {
    if (madt[i] != std::byte{2} || madt[i + 3] != std::byte{9}) continue;
    found = true;
    EXPECT_EQ(LoadLe(&madt[i + 4], 4), 9u);
    EXPECT_EQ(LoadLe(&madt[i + 8], 2), 0xdu);
  }
  EXPECT_TRUE(found);
}

// Runs QEMU's loader script as firmware does.
TEST(Q35Acpi, LoaderScriptGivesSoundTables) {
  Q35Acpi acpi = BuildQ35Acpi(SmallConfig());
  const Bytes script = acpi.tables.LoaderScript("rsdp", "tables");
  ASSERT_EQ(script.size() % 128, 0u);
  std::map<std::string, Memory> files = {{"rsdp", {0xf5000, acpi.rsdp}},
                                         {"tables", {0x7ff00000, acpi.tables.bytes()}}};
  int allocated = 0;
  for (size_t i = 0; i < script.size(); i += 128) {
    const auto name = [&](size_t at) {
      return std::string(static_cast<const char*>(static_cast<const void*>(&script[i + at])));
    };
    Memory& file = files.at(name(4));
    switch (LoadLe(&script[i], 4)) {
      case 1:
        ++allocated;
        break;
      case 2: {
        const uint64_t at = LoadLe(&script[i + 116], 4);
        const size_t size = LoadLe(&script[i + 120], 1);
        std::byte* const p = &file.bytes[at];
        StoreLe(p, size, LoadLe(p, size) + files.at(name(60)).base);
        break;
      }
      case 3: {
        std::byte& sum = file.bytes[LoadLe(&script[i + 60], 4)];
        sum = std::byte{0};
        sum = std::byte{acpi::Checksum(
            std::span(file.bytes).subspan(LoadLe(&script[i + 64], 4), LoadLe(&script[i + 68], 4)))};
        break;
      }
      default:
        FAIL();
    }
  }
  EXPECT_EQ(allocated, 2);
  EXPECT_EQ(acpi::Checksum(files.at("rsdp").bytes), 0);
  ExpectSound(Walk(files.at("tables"), files.at("rsdp").bytes));
}

TEST(Q35Acpi, LargestMachineFits) {
  Q35AcpiConfig config = SmallConfig();
  config.cpus.assign(255, {});
  config.memory_slots = 256;
  const Result<AcpiImage> image = PlaceQ35Acpi(BuildQ35Acpi(config));
  ASSERT_TRUE(image) << image.error();
  EXPECT_LT(image->bytes.size(), 96u * 1024);
}

TEST(Q35Layout, RamSplitsAsQemus) {
  EXPECT_EQ(SplitRam(0xaff00000, Q35MaxRamBelow4G(0xaff00000)).above_4g, 0u);
  EXPECT_EQ(SplitRam(0xb0000000, Q35MaxRamBelow4G(0xb0000000)).below_4g, 2 * kGiB);
  EXPECT_EQ(SplitRam(6 * kGiB, Q35MaxRamBelow4G(6 * kGiB)).above_4g, 4 * kGiB);
}

TEST(Q35Layout, PinsOfSlotsRotateOverTheUpperPirqs) {
  EXPECT_EQ(Q35Pirq(0, 0), 4u);
  EXPECT_EQ(Q35Pirq(1, 0), 5u);
  EXPECT_EQ(Q35Pirq(24, 3), 7u);
  EXPECT_EQ(Q35Pirq(25, 0), 0u);
  EXPECT_EQ(Q35Pirq(30, 1), 5u);
  EXPECT_EQ(Q35Pirq(31, 3), 3u);
}

}  // namespace
}  // namespace davit::boot
