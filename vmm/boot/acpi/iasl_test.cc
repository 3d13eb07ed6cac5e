// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The reference compiler as the judge: it must take the tables apart without complaint and compile
// what comes out to the same bytes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "vmm/base/endian.h"
#include "vmm/boot/acpi/acpi.h"
#include "vmm/boot/acpi/q35.h"

namespace davit::boot {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class IaslTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(access("/usr/bin/iasl", X_OK), 0) << "iasl is missing: package acpica-tools";
    folder_ = fs::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }

  // Runs iasl in the folder and returns what it says.
  std::string Iasl(const std::string& arguments) {
    const std::string command =
        "cd '" + folder_.string() + "' && /usr/bin/iasl " + arguments + " >log 2>&1";
    const int status = std::system(command.c_str());
    const std::string log = ReadFile(folder_ / "log");
    EXPECT_EQ(status, 0) << log;
    return log;
  }

  // Takes `table` apart and compiles it again; returns the source.
  std::string RoundTrip(const std::string& name, std::span<const std::byte> table) {
    std::string binary(table.size(), '\0');
    std::memcpy(binary.data(), table.data(), table.size());
    std::ofstream(folder_ / (name + ".dat"), std::ios::binary) << binary;
    const std::string taken_apart = Iasl("-d " + name + ".dat");
    EXPECT_EQ(taken_apart.find("rror"), std::string::npos) << taken_apart;
    EXPECT_EQ(taken_apart.find("arning"), std::string::npos) << taken_apart;
    const std::string compiled = Iasl("-p again -on -ve " + name + ".dsl");
    EXPECT_EQ(compiled.find("Error "), std::string::npos) << compiled;
    std::string again = ReadFile(folder_ / "again.aml");
    EXPECT_EQ(again.size(), binary.size());
    // The header names the compiler, so checksum and creator differ.
    for (std::string* image : {&again, &binary}) {
      if (image->size() < 36) return "";
      (*image)[9] = 0;
      image->replace(28, 8, 8, '\0');
    }
    EXPECT_TRUE(again == binary) << name << ": compiled anew it differs";
    return ReadFile(folder_ / (name + ".dsl"));
  }

  fs::path folder_;
};

AcpiConfig FullConfig() {
  AcpiConfig config;
  for (uint32_t i = 0; i < 3; ++i) config.cpus.push_back({i, true});
  config.cpus.push_back({300, true});
  config.rtc = config.pic = config.ioapic2 = true;
  config.virtio = MicrovmVirtioMmioMap(true, true);
  config.virtio_slots = {0, 23};
  return config;
}

TEST_F(IaslTest, Dsdt) {
  const std::string source = RoundTrip("dsdt", BuildDsdt(FullConfig()));
  for (const char* expected :
       {"Device (COM1)", "Device (RTC)", "Device (GED)", "Notify (PWRB, 0x80)", "Device (VR23)",
        "0xFEB02E00", "0x0000002F,", "Device (C003)", "Name (_S5"}) {
    EXPECT_NE(source.find(expected), std::string::npos) << expected << " not in\n" << source;
  }
}

TEST_F(IaslTest, DsdtOfTheLargestMachine) {
  AcpiConfig config = FullConfig();
  config.cpus.assign(255, {});
  for (size_t slot = 1; slot < 23; ++slot) config.virtio_slots.push_back(slot);
  RoundTrip("dsdt", BuildDsdt(config));
}

TEST_F(IaslTest, FixedTables) {
  const Result<AcpiImage> image = BuildAcpi(FullConfig());
  ASSERT_TRUE(image) << image.error();
  const std::span<const std::byte> bytes = image->bytes;
  const auto table_at = [&](uint64_t address) {
    const auto rest = bytes.subspan(address - image->base);
    return rest.first(LoadLe(&rest[4], 4));
  };
  const auto xsdt = table_at(LoadLe(&bytes[24], 8));
  RoundTrip("facp", table_at(LoadLe(&xsdt[36], 8)));
  const std::string madt = RoundTrip("apic", table_at(LoadLe(&xsdt[44], 8)));
  EXPECT_NE(madt.find("Processor Local x2APIC"), std::string::npos) << madt;
}

Q35AcpiConfig FullQ35() {
  Q35AcpiConfig config;
  config.cpus = FullConfig().cpus;
  config.ram_below_4g = 0x80000000;
  config.hole64_base = uint64_t{8} << 30;
  config.hole64_size = uint64_t{32} << 30;
  config.serials = {true, true, true, true};
  return config;
}

TEST_F(IaslTest, Q35Dsdt) {
  const std::string source = RoundTrip("dsdt", BuildQ35Dsdt(FullQ35()));
  for (const char* expected :
       {"Device (PCI0)", "EisaId (\"PNP0A08\") /* PCI Express Bus */",
        "ToUUID (\"33db4d5b-1ff7-401c-9657-7441c03dd766\") /* PCI Host Bridge Device */",
        "0x00000009FFFFFFFF, // Range Maximum", "Device (LNKH)", "Device (GSIH)", "Device (COM4)",
        "Offset (0x08)", "Name (_S5", "Device (C003)", "\"QEMU0002\"", "\"ACPI0010\"",
        "Method (_E02", "Notify (C002, Arg1)", "0x0CD8,             // Range Minimum"}) {
    EXPECT_NE(source.find(expected), std::string::npos) << expected << " not in\n" << source;
  }
}

TEST_F(IaslTest, Q35DsdtWithMemorySlots) {
  for (const uint32_t slots : {1U, 256U}) {
    Q35AcpiConfig config = FullQ35();
    config.memory_slots = slots;
    const std::string source = RoundTrip("dsdt", BuildQ35Dsdt(config));
    for (const char* expected :
         {"Device (MHPC)", "Device (MP00)", "EisaId (\"PNP0C80\") /* Memory Device */",
          "Method (_E03, 0, NotSerialized)", "\\_SB.MHPC.MSCN ()", "While ((Local0 < ",
          "Notify (MP00, Arg1)", "Acquire (MLCK, 0xFFFF)"}) {
      EXPECT_NE(source.find(expected), std::string::npos) << expected << " not in\n" << source;
    }
    EXPECT_EQ(source.find("Device (MPFF)") != std::string::npos, slots == 256);
  }
}

TEST_F(IaslTest, Q35DsdtWithPciSlotsOfAcpi) {
  Q35AcpiConfig config = FullQ35();
  // The third is the card of the first one's slot, the fourth its second function.
  config.pci_slots = {{{0x08}, 0}, {{0x11}, 1}, {{0x08, 0x00}, 2}, {{0x08, 0x01}, 3}};
  const std::string source = RoundTrip("dsdt", BuildQ35Dsdt(config));
  for (const char* expected :
       {"Device (PHPR)", "Device (S08)", "Device (S11)", "Name (_ADR, 0x00020001)",
        "Name (_SUN, One)", "Method (_EJ0, 1, NotSerialized)", "Method (_E01, 0, NotSerialized)",
        "Notify (\\_SB.PCI0.S11.S00, 0x03)", "Notify (\\_SB.PCI0.S08.S00.S00, 0x03)",
        "Notify (\\_SB.PCI0.S08.S01.S00, 0x03)", "PEJT (0x03)",
        "Acquire (\\_SB.PCI0.PLCK, 0xFFFF)"}) {
    EXPECT_NE(source.find(expected), std::string::npos) << expected << " not in\n" << source;
  }
}

// iasl declares what a table only refers to as External. Ports of hotplug=off have no number: here
// 0x10 and the second function behind it.
TEST_F(IaslTest, EveryCardThatIsNotifiedIsDeclared) {
  Q35AcpiConfig config = FullQ35();
  config.pci_slots = {
      {{0x10, 0x00}, 0}, {{0x10, 0x01, 0x00}, 1}, {{0x18}, 2}, {{0x18, 0x00, 0x01}, 3}};
  const std::string source = RoundTrip("dsdt", BuildQ35Dsdt(config));
  EXPECT_EQ(source.find("External"), std::string::npos) << source;
  for (const char* expected :
       {"Notify (\\_SB.PCI0.S10.S00.S00, One)", "Notify (\\_SB.PCI0.S10.S01.S00.S00, One)",
        "Notify (\\_SB.PCI0.S18.S00.S01.S00, One)"}) {
    EXPECT_NE(source.find(expected), std::string::npos) << expected << " not in\n" << source;
  }
}

TEST_F(IaslTest, Q35FixedTables) {
  const Result<AcpiImage> image = PlaceQ35Acpi(BuildQ35Acpi(FullQ35()));
  ASSERT_TRUE(image) << image.error();
  const std::span<const std::byte> bytes = image->bytes;
  const auto table_at = [&](uint64_t address) {
    const auto rest = bytes.subspan(address - image->base);
    return rest.first(LoadLe(&rest[4], 4));
  };
  const auto xsdt = table_at(LoadLe(&bytes[24], 8));
  const char* names[] = {"facp", "apic", "mcfg", "waet"};
  for (size_t i = 0; i < 4; ++i) RoundTrip(names[i], table_at(LoadLe(&xsdt[36 + 8 * i], 8)));
  const auto facp = table_at(LoadLe(&xsdt[36], 8));
  RoundTrip("facs", table_at(LoadLe(&facp[36], 4)));
}

}  // namespace
}  // namespace davit::boot
