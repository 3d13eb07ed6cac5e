// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The tables, read back by the rules of DSP0134 3.2.0: structure header (6.1.2), strings (6.1.3),
// entry point (5.2.2) and the fields of each structure (clause 7).
#include "vmm/boot/smbios/smbios.h"

#include <gtest/gtest.h>

#include <map>

#include "vmm/base/endian.h"
#include "vmm/base/units.h"

namespace davit::boot {
namespace {

struct Parsed {
  uint16_t handle = 0;
  std::vector<std::byte> area;  // with the header
  std::vector<std::string> strings;

  uint64_t Field(size_t offset, size_t size) const {
    EXPECT_LE(offset + size, area.size());
    return LoadLe(&area[offset], size);
  }
  // The string whose number is at the offset.
  std::string Text(size_t offset) const {
    const uint64_t number = Field(offset, 1);
    if (number == 0) return "";
    EXPECT_LE(number, strings.size());
    return number <= strings.size() ? strings[number - 1] : "";
  }
};

constexpr uint64_t kTiB = 1024 * kGiB;

using Structures = std::multimap<uint8_t, Parsed>;

// Reads structures until the end, which must be where the bytes end.
Structures Parse(const std::vector<std::byte>& bytes) {
  Structures all;
  size_t at = 0;
  while (at + 4 <= bytes.size()) {
    const auto type = static_cast<uint8_t>(bytes[at]);
    const auto length = static_cast<size_t>(bytes[at + 1]);
    Parsed parsed;
    parsed.handle = static_cast<uint16_t>(LoadLe(&bytes[at + 2], 2));
    if (length < 4 || at + length + 2 > bytes.size()) break;
    parsed.area.assign(&bytes[at], &bytes[at] + length);
    at += length;
    while (at < bytes.size() && bytes[at] != std::byte{0}) {
      std::string text;
      for (; at < bytes.size() && bytes[at] != std::byte{0}; ++at) {
        text += static_cast<char>(bytes[at]);
      }
      ++at;
      parsed.strings.push_back(text);
    }
    at += parsed.strings.empty() ? 2 : 1;
    all.emplace(type, parsed);
    if (type == 127) break;
  }
  EXPECT_EQ(at, bytes.size());
  return all;
}

const Parsed& One(const Structures& all, uint8_t type) {
  EXPECT_EQ(all.count(type), 1u) << "type " << int{type};
  static const Parsed none;
  const auto it = all.find(type);
  return it == all.end() ? none : it->second;
}

SmbiosConfig Config() {
  SmbiosConfig config;
  config.bios = {"vendor", "1.2.3", "01/02/2026", 4, 7, false};
  config.system = {"maker", "product", "version", "serial", "sku", "family", {}};
  for (uint8_t i = 0; i < 16; ++i) config.system.uuid[i] = static_cast<uint8_t>(0x10 + i);
  config.ram = {{0, 2 * kGiB, MemoryType::kRam}, {4 * kGiB, 18 * kGiB, MemoryType::kRam}};
  return config;
}

uint8_t Sum(const std::vector<std::byte>& bytes, size_t size) {
  unsigned sum = 0;
  for (size_t i = 0; i < size; ++i) sum += static_cast<unsigned>(bytes[i]);
  return static_cast<uint8_t>(sum);
}

TEST(Smbios, BiosAndSystemAreAsGiven) {
  const Structures all = Parse(BuildSmbios(Config()).value());
  const Parsed& bios = One(all, 0);
  EXPECT_EQ(bios.Text(4), "vendor");
  EXPECT_EQ(bios.Text(5), "1.2.3");
  EXPECT_EQ(bios.Text(8), "01/02/2026");
  EXPECT_EQ(bios.Field(0x13, 1) & 0x18, 0x10u);  // a virtual machine, no UEFI
  EXPECT_EQ(bios.Field(0x14, 1), 4u);
  EXPECT_EQ(bios.Field(0x15, 1), 7u);
  const Parsed& system = One(all, 1);
  EXPECT_EQ(system.handle, 0x100);
  EXPECT_EQ(system.Text(4), "maker");
  EXPECT_EQ(system.Text(5), "product");
  EXPECT_EQ(system.Text(6), "version");
  EXPECT_EQ(system.Text(7), "serial");
  EXPECT_EQ(system.Text(0x19), "sku");
  EXPECT_EQ(system.Text(0x1a), "family");
  // 10111213-1415-1617-1819-1a1b1c1d1e1f: the first three fields are integers.
  EXPECT_EQ(system.Field(0x08, 4), 0x10111213u);
  EXPECT_EQ(system.Field(0x0c, 2), 0x1415u);
  EXPECT_EQ(system.Field(0x0e, 2), 0x1617u);
  EXPECT_EQ(system.Field(0x10, 1), 0x18u);
  EXPECT_EQ(system.Field(0x17, 1), 0x1fu);
}

TEST(Smbios, UefiIsSaidWhenAskedFor) {
  SmbiosConfig config = Config();
  config.bios.uefi = true;
  EXPECT_EQ(One(Parse(BuildSmbios(config).value()), 0).Field(0x13, 1) & 0x18, 0x18u);
}

// As QEMU 7.2 has the fields; its handle is 0, which is the BIOS's too.
TEST(Smbios, PortsAreStructuresOfTheirOwn) {
  SmbiosConfig config;
  config.ports = {{"i", "e", 1, 2}, {"", "", 3, 4}};
  const Structures all = Parse(BuildSmbios(config).value());
  std::vector<Parsed> ports;
  for (auto [it, end] = all.equal_range(8); it != end; ++it) ports.push_back(it->second);
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0].Field(2, 2), 0x800u);
  EXPECT_EQ(ports[0].Field(4, 4), 0x01020001u);
  EXPECT_EQ(ports[0].Field(8, 1), 2u);
  EXPECT_EQ(ports[0].strings, (std::vector<std::string>{"i", "e"}));
  EXPECT_EQ(ports[1].Field(2, 2), 0x801u);
  EXPECT_EQ(ports[1].Field(4, 4), 0x03000000u);
}

TEST(Smbios, BoardAndOemStringsAreThereWhenAskedFor) {
  SmbiosConfig config = Config();
  const Structures without = Parse(BuildSmbios(config).value());
  EXPECT_EQ(without.count(2) + without.count(11), 0u);
  config.board = SmbiosConfig::Board{"maker", "product", "version", "serial", "asset", "place"};
  config.oem_strings = {"first", "second"};
  config.chassis = {"maker", "version", "serial", "asset", "sku"};
  const Structures all = Parse(BuildSmbios(config).value());
  const Parsed& board = One(all, 2);
  EXPECT_EQ(board.Text(8), "asset");
  EXPECT_EQ(board.Text(0x0a), "place");
  EXPECT_EQ(board.Field(0x0b, 2), One(all, 3).handle);
  const Parsed& oem = One(all, 11);
  EXPECT_EQ(oem.Field(4, 1), 2u);
  EXPECT_EQ(oem.strings, config.oem_strings);
  EXPECT_EQ(One(all, 3).Text(4), "maker");
  EXPECT_EQ(One(all, 3).Text(8), "asset");
  EXPECT_EQ(One(all, 3).Text(0x15), "sku");
}

TEST(Smbios, EverySocketIsAProcessor) {
  SmbiosConfig config = Config();
  config.sockets = 3;
  config.cores = 300;
  config.threads = 600;
  config.processor.id = 0x1122334455667788;
  const Structures all = Parse(BuildSmbios(config).value());
  ASSERT_EQ(all.count(4), 3u);
  unsigned socket = 0;
  const auto range = all.equal_range(4);
  for (auto it = range.first; it != range.second; ++it, ++socket) {
    const Parsed& cpu = it->second;
    EXPECT_EQ(cpu.handle, 0x400 + socket);
    EXPECT_EQ(cpu.Text(4), "CPU " + std::to_string(socket));
    EXPECT_EQ(cpu.Field(8, 8), config.processor.id);
    EXPECT_EQ(cpu.Field(0x23, 1), 0xffu);  // more than a byte can say
    EXPECT_EQ(cpu.Field(0x2a, 2), 300u);
    EXPECT_EQ(cpu.Field(0x2e, 2), 600u);
  }
}

TEST(Smbios, MemoryAddsUp) {
  const Structures all = Parse(BuildSmbios(Config()).value());
  const Parsed& array = One(all, 16);
  EXPECT_EQ(array.Field(7, 4), 20 * kGiB / kKiB);
  EXPECT_EQ(array.Field(0x0d, 2), all.count(17));
  uint64_t mib = 0;
  auto range = all.equal_range(17);
  for (auto it = range.first; it != range.second; ++it) {
    EXPECT_EQ(it->second.Field(4, 2), array.handle);
    mib += it->second.Field(0x0c, 2);
  }
  EXPECT_EQ(mib, 20 * kGiB / kMiB);
  range = all.equal_range(19);
  const Parsed& low = range.first->second;
  const Parsed& high = std::next(range.first)->second;
  EXPECT_EQ(low.Field(4, 4), 0u);
  EXPECT_EQ(low.Field(8, 4), 2 * kGiB / kKiB - 1);
  EXPECT_EQ(high.Field(4, 4), 4 * kGiB / kKiB);
  EXPECT_EQ(high.Field(8, 4), 22 * kGiB / kKiB - 1);
}

TEST(Smbios, MemoryBeyondTheOldFieldsIsInTheExtendedOnes) {
  SmbiosConfig config = Config();
  config.ram = {{4 * kGiB, 5 * kTiB, MemoryType::kRam}};
  const Structures all = Parse(BuildSmbios(config).value());
  EXPECT_EQ(One(all, 16).Field(7, 4), 0x80000000u);
  EXPECT_EQ(One(all, 16).Field(0x0f, 8), 5 * kTiB);
  EXPECT_EQ(One(all, 19).Field(4, 4), 0xffffffffu);
  EXPECT_EQ(One(all, 19).Field(0x0f, 8), 4 * kGiB);
  EXPECT_EQ(One(all, 19).Field(0x17, 8), 4 * kGiB + 5 * kTiB - 1);
}

TEST(Smbios, TheEntryPointIsFoundAndLeadsToTheStructures) {
  const std::vector<std::byte> structures = BuildSmbios(Config()).value();
  for (const uint64_t from : {uint64_t{0xe1234}, uint64_t{0xf1234}}) {
    const SmbiosImage image = PlaceSmbios(structures, from).value();
    EXPECT_GE(image.base, std::max<uint64_t>(from, 0xf0000));
    EXPECT_EQ(image.base % 16, 0u);
    EXPECT_EQ(std::memcmp(image.bytes.data(), "_SM3_", 5), 0);
    EXPECT_EQ(static_cast<unsigned>(image.bytes[6]), 0x18u);
    EXPECT_EQ(static_cast<unsigned>(image.bytes[7]), 3u);
    EXPECT_EQ(Sum(image.bytes, 0x18), 0);
    EXPECT_EQ(LoadLe(&image.bytes[12], 4), structures.size());
    const uint64_t at = LoadLe(&image.bytes[16], 8) - image.base;
    EXPECT_EQ(
        std::vector<std::byte>(image.bytes.begin() + static_cast<long>(at), image.bytes.end()),
        structures);
  }
}

TEST(Smbios, WhatIsTooLargeIsRefused) {
  SmbiosConfig config = Config();
  config.system.serial = std::string(kSmbiosMaxText + 1, 's');
  EXPECT_EQ(BuildSmbios(config).error().message,
            "SMBIOS: a text of 1025 bytes is too long (max: 1024)");
  config = Config();
  config.oem_strings.assign(256, "x");
  EXPECT_EQ(BuildSmbios(config).error().message, "SMBIOS: 256 OEM strings are too many (max: 255)");
  config.oem_strings.assign(255, std::string(1024, 'x'));
  const auto placed = PlaceSmbios(BuildSmbios(config).value(), 0);
  ASSERT_FALSE(placed);
  EXPECT_TRUE(placed.error().message.starts_with("SMBIOS tables are too large: "));
}

}  // namespace
}  // namespace davit::boot
