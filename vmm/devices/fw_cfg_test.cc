// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of FwCfg.
#include "vmm/devices/fw_cfg.h"

#include <gtest/gtest.h>

#include <cstring>

#include "vmm/base/endian.h"

namespace davit::devices {
namespace {

// 64 KiB of RAM at 0.
class FakeMemory final : public FwCfg::Memory {
 public:
  bool Inside(uint64_t address, uint64_t size) const {
    return address <= ram.size() && size <= ram.size() - address;
  }
  Status Read(uint64_t address, std::span<std::byte> out) override {
    if (!Inside(address, out.size())) return Fail("not RAM");
    std::memcpy(out.data(), &ram[address], out.size());
    return {};
  }
  Status Write(uint64_t address, std::span<const std::byte> in) override {
    if (!Inside(address, in.size())) return Fail("not RAM");
    std::memcpy(&ram[address], in.data(), in.size());
    return {};
  }
  Status Fill(uint64_t address, uint64_t size, std::byte value) override {
    if (!Inside(address, size)) return Fail("not RAM");
    std::fill_n(ram.begin() + static_cast<ptrdiff_t>(address), size, value);
    return {};
  }
  std::vector<std::byte> ram = std::vector<std::byte>(65537, std::byte{0xcc});
};

std::vector<std::byte> Bytes(const std::string& text) {
  std::vector<std::byte> out(text.size());
  std::memcpy(out.data(), text.data(), text.size());
  return out;
}

class FwCfgTest : public testing::Test {
 protected:
  static constexpr uint64_t kDescriptor = 0x100;
  static constexpr uint64_t kBuffer = 0x1000;

  void Select(uint16_t key) {
    uint8_t data[2];
    StoreLe(data, 2, key);
    device_.ports().Write(0, data);
  }
  std::string ReadBytes(size_t count) {
    std::string out;
    for (size_t i = 0; i < count; ++i) {
      uint8_t byte = 0xee;
      device_.ports().Read(1, std::span(&byte, 1));
      out += static_cast<char>(byte);
    }
    return out;
  }
  // Runs one DMA; the control word afterwards.
  uint32_t Dma(uint32_t control, uint32_t length, uint64_t address,
               uint64_t descriptor = kDescriptor) {
    if (memory_.Inside(descriptor, 16)) {
      StoreLe(&memory_.ram[descriptor], 4, __builtin_bswap32(control));
      StoreLe(&memory_.ram[descriptor + 4], 4, __builtin_bswap32(length));
      StoreLe(&memory_.ram[descriptor + 8], 8, __builtin_bswap64(address));
    }
    uint8_t data[8];
    StoreLe(data, 8, __builtin_bswap64(descriptor));
    device_.dma_ports().Write(0, std::span(data).first(4));
    device_.dma_ports().Write(4, std::span(data).subspan(4, 4));
    if (!memory_.Inside(descriptor, 4)) return 0;
    return __builtin_bswap32(static_cast<uint32_t>(LoadLe(&memory_.ram[descriptor], 4)));
  }
  std::string Ram(uint64_t address, size_t size) const {
    std::string out(size, '\0');
    std::memcpy(out.data(), &memory_.ram[address], size);
    return out;
  }

  FakeMemory memory_;
  FwCfg device_{memory_};
};

TEST_F(FwCfgTest, SignatureAndIdAreThoseOfTheSpec) {
  Select(FwCfg::kSignature);
  EXPECT_EQ(ReadBytes(4), "QEMU");
  Select(FwCfg::kId);
  EXPECT_EQ(ReadBytes(4), std::string("\3\0\0\0", 4));
  uint8_t data[8];
  device_.dma_ports().Read(0, data);
  EXPECT_EQ(std::memcmp(data, "QEMU CFG", 8), 0);
}

TEST_F(FwCfgTest, BehindTheEndAreZeros) {
  Select(FwCfg::kSignature);
  EXPECT_EQ(ReadBytes(6), std::string("QEMU\0\0", 6));
}

TEST_F(FwCfgTest, UnknownItemIsEmpty) {
  for (uint16_t key : {0x1234, 0x7fff, 0x9999}) {
    Select(key);
    EXPECT_EQ(ReadBytes(2), std::string(2, '\0')) << key;
  }
}

TEST_F(FwCfgTest, SelectingStartsAtTheBeginning) {
  Select(FwCfg::kSignature);
  ReadBytes(3);
  Select(FwCfg::kSignature | 0x4000);
  EXPECT_EQ(ReadBytes(1), "Q");
}

TEST_F(FwCfgTest, WideReadsGiveNothingAndLoseNothing) {
  Select(FwCfg::kSignature);
  uint8_t data[2] = {1, 1};
  device_.ports().Read(0, data);
  EXPECT_EQ(data[0] | data[1], 0);
  EXPECT_EQ(ReadBytes(4), "QEMU");
}

TEST_F(FwCfgTest, WritesDoNotChangeAnItem) {
  Select(FwCfg::kSignature);
  const uint8_t data = 'X';
  device_.ports().Write(1, std::span(&data, 1));
  Select(FwCfg::kSignature);
  EXPECT_EQ(ReadBytes(4), "QEMU");
}

TEST_F(FwCfgTest, DirectoryListsFilesByNameInBigEndian) {
  ASSERT_TRUE(device_.AddFile("opt/z", Bytes("zz")));
  ASSERT_TRUE(device_.AddFile("etc/a", Bytes("aaa")));
  Select(FwCfg::kFileDirectory);
  const std::string directory = ReadBytes(4 + 2 * 64);
  EXPECT_EQ(directory.substr(0, 4), std::string("\0\0\0\2", 4));
  EXPECT_EQ(directory.substr(4, 14), std::string("\0\0\0\3\0\x21\0\0etc/a\0", 14));
  EXPECT_EQ(directory.substr(68, 14), std::string("\0\0\0\2\0\x20\0\0opt/z\0", 14));
  Select(0x21);
  EXPECT_EQ(ReadBytes(3), "aaa");
}

TEST_F(FwCfgTest, BadFilesAreRefusedByName) {
  EXPECT_FALSE(device_.AddFile("", Bytes("")));
  EXPECT_FALSE(device_.AddFile(std::string(56, 'x'), Bytes("")));
  EXPECT_TRUE(device_.AddFile(std::string(55, 'x'), Bytes("")));
  ASSERT_TRUE(device_.AddFile("opt/a", Bytes("")));
  EXPECT_EQ(device_.AddFile("opt/a", Bytes("")).error().message,
            "duplicate fw_cfg file name: opt/a");
  for (size_t i = 2; i < FwCfg::kMaxFiles; ++i) {
    ASSERT_TRUE(device_.AddFile(std::to_string(i), Bytes("")));
  }
  EXPECT_FALSE(device_.AddFile("one-more", Bytes("")));
}

TEST_F(FwCfgTest, SetFileReplacesBytesAndSize) {
  ASSERT_TRUE(device_.AddFile("etc/a", Bytes("old")));
  device_.SetFile("etc/a", Bytes("newer"));
  Select(0x20);
  EXPECT_EQ(ReadBytes(5), "newer");
  Select(FwCfg::kFileDirectory);
  EXPECT_EQ(ReadBytes(8)[7], 5);
}

TEST_F(FwCfgTest, DmaSelectsAndReadsInOneGo) {
  EXPECT_EQ(Dma(FwCfg::kSignature << 16 | 8 | 2, 6, kBuffer), 0u);
  EXPECT_EQ(Ram(kBuffer, 7), std::string("QEMU\0\0\xcc", 7));
}

TEST_F(FwCfgTest, DmaGoesOnWhereTheLastEndedAndSkips) {
  Select(FwCfg::kSignature);
  EXPECT_EQ(Dma(2, 1, kBuffer), 0u);
  EXPECT_EQ(Dma(4, 1, 0), 0u);
  EXPECT_EQ(Dma(2, 2, kBuffer + 1), 0u);
  EXPECT_EQ(Ram(kBuffer, 3), "QMU");
}

TEST_F(FwCfgTest, LargeItemIsReadInPieces) {
  std::vector<std::byte> data(20000);
  for (size_t i = 0; i < data.size(); ++i) data[i] = std::byte(i * 7);
  ASSERT_TRUE(device_.AddFile("big", data));
  EXPECT_EQ(Dma(0x20 << 16 | 8 | 2, 20000, kBuffer), 0u);
  EXPECT_EQ(std::memcmp(&memory_.ram[kBuffer], data.data(), data.size()), 0);
}

TEST_F(FwCfgTest, DmaOutsideRamIsAnErrorForTheGuest) {
  for (uint64_t address : {uint64_t{65537}, uint64_t{0xfee00000}, ~uint64_t{0}, ~uint64_t{0} - 2}) {
    EXPECT_EQ(Dma(FwCfg::kSignature << 16 | 8 | 2, 4, address), 1u) << address;
  }
  EXPECT_EQ(Dma(FwCfg::kSignature << 16 | 8 | 2, 0xffffffff, kBuffer), 1u);
}

TEST_F(FwCfgTest, DescriptorOutsideRamDoesNothing) {
  Dma(FwCfg::kSignature << 16 | 8 | 2, 4, kBuffer, 0xfee00000);
  Dma(FwCfg::kSignature << 16 | 8 | 2, 4, kBuffer, ~uint64_t{0} - 3);
  EXPECT_EQ(Ram(kBuffer, 1), "\xcc");
}

TEST_F(FwCfgTest, DmaWriteIsRefused) {
  Select(FwCfg::kSignature);
  EXPECT_EQ(Dma(16, 4, kBuffer), 1u);
  EXPECT_EQ(ReadBytes(4), "QEMU");
}

TEST_F(FwCfgTest, ItemThatAllowsItIsWrittenWholeOrNotAtAll) {
  std::vector<std::byte> content(8, std::byte{'-'});
  FwCfg::Source source{content.size(), [&](uint64_t offset, std::span<std::byte> out) -> Status {
                         std::copy_n(content.begin() + static_cast<ptrdiff_t>(offset), out.size(),
                                     out.begin());
                         return {};
                       }};
  source.write = [&](uint64_t offset, std::span<const std::byte> in) {
    std::copy(in.begin(), in.end(), content.begin() + static_cast<ptrdiff_t>(offset));
  };
  ASSERT_TRUE(device_.AddFile("etc/note", std::move(source)));
  constexpr uint32_t kSelectFile = 8 | uint32_t{FwCfg::kFirstFile} << 16;
  ASSERT_TRUE(memory_.Write(kBuffer, Bytes("abcdefghij")));
  EXPECT_EQ(Dma(kSelectFile | 16, 3, kBuffer), 0U);
  EXPECT_EQ(Dma(16, 2, kBuffer), 0U);  // goes on behind
  EXPECT_EQ(content, Bytes("abcab---"));
  EXPECT_EQ(Dma(16, 4, kBuffer), 1U);
  EXPECT_EQ(Dma(kSelectFile | 16, 9, kBuffer), 1U);
  EXPECT_EQ(Dma(kSelectFile | 16, 8, memory_.ram.size() - 4), 1U);
  EXPECT_EQ(Dma(kSelectFile | 16, UINT32_MAX, ~uint64_t{0}), 1U);
  EXPECT_EQ(content, Bytes("abcab---"));
  EXPECT_EQ(Dma(kSelectFile | 16, 0, kBuffer), 0U);
  // The data port writes nothing.
  Select(FwCfg::kFirstFile);
  uint8_t byte = 'x';
  device_.ports().Write(1, std::span(&byte, 1));
  EXPECT_EQ(ReadBytes(8), "abcab---");
}

TEST_F(FwCfgTest, DmaOverItsOwnDescriptorEndsWithTheResult) {
  EXPECT_EQ(Dma(FwCfg::kSignature << 16 | 8 | 2, 16, kDescriptor), 0u);
}

TEST_F(FwCfgTest, HugeSkipDoesNotRunLong) {
  Select(FwCfg::kSignature);
  EXPECT_EQ(Dma(4, 0xffffffff, 0), 0u);
  EXPECT_EQ(ReadBytes(1), std::string(1, '\0'));
}

// The exit of one vCPU takes so long, and the others' wait for it.
TEST_F(FwCfgTest, OnlySoManyZerosBehindTheEndAreGiven) {
  constexpr uint32_t kMost = FwCfg::kMaxZeros;
  memory_.ram.resize(kBuffer + 2 * kMost, std::byte{0xcc});
  for (const uint32_t item : {0x1234u, uint32_t{FwCfg::kSignature}}) {
    const uint32_t size = item == FwCfg::kSignature ? 4 : 0;
    EXPECT_EQ(Dma(item << 16 | 8 | 2, size + kMost, kBuffer), 0u);
    EXPECT_TRUE(Ram(kBuffer + size, kMost + 1) == std::string(kMost, '\0') + "\xcc");
    std::fill(memory_.ram.begin(), memory_.ram.end(), std::byte{0xcc});
    EXPECT_EQ(Dma(item << 16 | 8 | 2, size + kMost + 1, kBuffer), 1u);
    EXPECT_TRUE(Ram(kBuffer, size + kMost + 1) == std::string(size + kMost + 1, '\xcc'));
  }
}

TEST_F(FwCfgTest, SourceThatFailsReadsAsZeros) {
  ASSERT_TRUE(device_.AddFile(
      "bad", FwCfg::Source{4, [](uint64_t, std::span<std::byte>) { return Fail("gone"); }}));
  Select(0x20);
  EXPECT_EQ(ReadBytes(4), std::string(4, '\0'));
  EXPECT_EQ(Dma(0x20 << 16 | 8 | 2, 4, kBuffer), 1u);
}

}  // namespace
}  // namespace davit::devices
