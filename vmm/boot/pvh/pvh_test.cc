// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/boot/pvh/pvh.h"

#include <gtest/gtest.h>

#include "vmm/base/units.h"
#include "vmm/boot/microvm_layout.h"
#include "vmm/boot/pvh/elf.h"
#include "vmm/boot/testing/loader_fixture.h"
#include "vmm/boot/testing/test_images.h"

namespace davit::boot {
namespace {

using testing::Bytes;
using testing::ReadInt;

std::string ParseErrorOf(const Bytes& bytes) {
  const Result<ElfImage> image = ParseElf(testing::KernelOf(bytes));
  return image ? "no error" : image.error().message;
}

std::string ParseErrorWith(size_t offset, size_t size, uint64_t value) {
  Bytes bytes = testing::MakeElf64();
  testing::Put(&bytes, offset, size, value);
  return ParseErrorOf(bytes);
}

TEST(ParseElf, BothClasses) {
  for (const Bytes& bytes : {testing::MakeElf64(), testing::MakeElf32()}) {
    const Result<ElfImage> image = ParseElf(testing::KernelOf(bytes));
    ASSERT_TRUE(image) << image.error();
    EXPECT_EQ(image->pvh_entry, testing::kElfEntry);
    ASSERT_EQ(image->segments.size(), 1u);
    EXPECT_EQ(image->segments[0].file_offset, 0x1000u);
    EXPECT_EQ(image->segments[0].file_size, testing::kElfFileSize);
    EXPECT_EQ(image->segments[0].address, testing::kElfAddress);
    EXPECT_EQ(image->segments[0].memory_size, testing::kElfMemorySize);
  }
}

TEST(ParseElf, WithoutPvhNote) {
  const std::string expected = "Error loading uncompressed kernel without PVH ELF Note";
  EXPECT_EQ(ParseErrorWith(testing::kElf64NoteHeader, 4, 0), expected) << "no note segment";
  EXPECT_EQ(ParseErrorWith(testing::kElf64Note + 36, 4, 0), expected) << "another name";
  EXPECT_EQ(ParseErrorWith(testing::kElf64Note + 32, 4, 17), expected) << "another type";
  EXPECT_EQ(ParseErrorWith(testing::kElf64Note + 28, 4, 2), expected) << "odd size";
}

TEST(ParseElf, NoteThatRunsOverItsSegmentIsNotRead) {
  const std::string expected = "Error loading uncompressed kernel without PVH ELF Note";
  EXPECT_EQ(ParseErrorWith(testing::kElf64Note + 4, 4, 0xffffffff), expected);
  EXPECT_EQ(ParseErrorWith(testing::kElf64Note, 4, 0xfffffffe), expected);
  EXPECT_EQ(ParseErrorWith(testing::kElf64NoteHeader + 32, 8, 47), expected) << "cut short";
}

TEST(ParseElf, TruncatedHeader) {
  Bytes bytes = testing::MakeElf64();
  bytes.resize(6);
  EXPECT_EQ(ParseErrorOf(bytes), "Error while loading elf kernel: the file is too short");
  bytes = testing::MakeElf64();
  bytes.resize(63);
  EXPECT_EQ(ParseErrorOf(bytes), "Error while loading elf kernel: the file is too short");
}

TEST(ParseElf, WrongIdentification) {
  EXPECT_EQ(ParseErrorWith(0, 1, 0), "Error while loading elf kernel: not an ELF file");
  EXPECT_EQ(ParseErrorWith(4, 1, 9), "Error while loading elf kernel: unknown class 9");
  EXPECT_EQ(ParseErrorWith(5, 1, 2), "Error while loading elf kernel: it is not little-endian");
  EXPECT_EQ(ParseErrorWith(18, 2, 183),
            "Error while loading elf kernel: it is for another machine (e_machine 183)");
}

TEST(ParseElf, ProgramHeaderTableOutsideTheFile) {
  const std::string expected =
      "Error while loading elf kernel: its program headers lie outside the file";
  EXPECT_EQ(ParseErrorWith(32, 8, 0x10000), expected);
  EXPECT_EQ(ParseErrorWith(32, 8, ~uint64_t{0}), expected);
  EXPECT_EQ(ParseErrorWith(56, 2, 1000), expected);
  EXPECT_EQ(ParseErrorWith(56, 2, 0xffff),
            "Error while loading elf kernel: it has too many program headers (65535)");
  EXPECT_EQ(ParseErrorWith(56, 2, 0), "Error while loading elf kernel: it has no program headers");
  EXPECT_EQ(ParseErrorWith(54, 2, 32),
            "Error while loading elf kernel: its program headers have size 32");
}

TEST(ParseElf, SegmentOutsideTheFile) {
  const std::string expected = "Error while loading elf kernel: a segment lies outside the file";
  EXPECT_EQ(ParseErrorWith(testing::kElf64LoadHeader + 8, 8, ~uint64_t{0}), expected);
  EXPECT_EQ(ParseErrorWith(testing::kElf64LoadHeader + 8, 8, 0x1001), expected);
  EXPECT_EQ(ParseErrorWith(testing::kElf64NoteHeader + 32, 8, ~uint64_t{0}), expected);
}

TEST(ParseElf, SegmentSizesThatContradictOrWrap) {
  EXPECT_EQ(ParseErrorWith(testing::kElf64LoadHeader + 40, 8, 0x2ff),
            "Error while loading elf kernel: a segment is larger in the file than in memory");
  EXPECT_EQ(ParseErrorWith(testing::kElf64LoadHeader + 40, 8, ~uint64_t{0}),
            "Error while loading elf kernel: a segment wraps around");
}

TEST(ParseElf, EntryOutsideTheSegments) {
  EXPECT_EQ(ParseErrorWith(testing::kElf64Note + 40, 8, 0x201000),
            "Error while loading elf kernel: its PVH entry point 0x201000 is outside its segments");
  EXPECT_EQ(
      ParseErrorWith(testing::kElf64Note + 40, 8, 0x100200010),
      "Error while loading elf kernel: its PVH entry point 0x100200010 is outside its segments");
}

class LoadPvhTest : public testing::LoaderTest {
 protected:
  LoadPvhTest() : LoaderTest(LoadPvh, testing::MakeElf64()) {}

  uint64_t Info(uint64_t offset, size_t size) {
    return ReadInt(memory_, kBootStartInfo + offset, size);
  }
};

TEST_F(LoadPvhTest, SegmentsAndEntryPoint) {
  const Result<LoadedKernel> loaded = Load();
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->entry.kind, EntryKind::kPvh32);
  EXPECT_EQ(loaded->entry.rip, testing::kElfEntry);
  EXPECT_EQ(loaded->entry.rbx, kBootStartInfo);
  EXPECT_EQ(ReadInt(memory_, testing::kElfAddress + 0x2fc, 8), 0x90909090u);
  EXPECT_EQ(ReadInt(memory_, kBootGdt + 0x10, 8), kBootCode32.Descriptor());
}

TEST_F(LoadPvhTest, StartInfo) {
  request_.cmdline = "hello";
  request_.rsdp = kAcpiTablesBase;
  ASSERT_TRUE(Load());
  EXPECT_EQ(Info(0, 4), 0x336ec578u);
  EXPECT_EQ(Info(4, 4), 1u);
  EXPECT_EQ(Info(12, 4), 0u) << "no modules";
  EXPECT_EQ(testing::ReadString(memory_, Info(24, 8)), "hello");
  EXPECT_EQ(Info(32, 8), kAcpiTablesBase);
  EXPECT_EQ(Info(48, 4), 4u);
  const uint64_t map = Info(40, 8);
  EXPECT_EQ(ReadInt(memory_, map + 72, 8), 0x100000u);
  EXPECT_EQ(ReadInt(memory_, map + 80, 8), 63 * kMiB);
  EXPECT_EQ(ReadInt(memory_, map + 88, 4), 1u);
}

TEST_F(LoadPvhTest, InitrdIsTheFirstModule) {
  initrd_bytes_ = Bytes(5000, std::byte{0x5a});
  ASSERT_TRUE(Load());
  EXPECT_EQ(Info(12, 4), 1u);
  const uint64_t module = Info(16, 8);
  EXPECT_EQ(ReadInt(memory_, module, 8), 64 * kMiB - 8192);
  EXPECT_EQ(ReadInt(memory_, module + 8, 8), 5000u);
}

TEST_F(LoadPvhTest, DeviceTreeIsTheSecondModuleEvenWithoutInitrd) {
  request_.make_fdt = [](GuestRange) -> Result<Bytes> { return Bytes(64, std::byte{1}); };
  const Result<LoadedKernel> loaded = Load();
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(Info(12, 4), 2u);
  const uint64_t module = Info(16, 8);
  EXPECT_EQ(ReadInt(memory_, module + 8, 8), 0u) << "empty initrd";
  EXPECT_EQ(ReadInt(memory_, module + 32, 8), loaded->fdt.base);
  EXPECT_EQ(ReadInt(memory_, module + 40, 8), 64u);
  EXPECT_EQ(testing::ReadString(memory_, ReadInt(memory_, module + 48, 8)), "fdt");
}

TEST_F(LoadPvhTest, BssIsClearedAtReload) {
  ASSERT_TRUE(Load());
  const uint64_t bss = testing::kElfAddress + testing::kElfFileSize;
  ASSERT_TRUE(memory_.Write(memory::GuestAddress{bss}, uint32_t{0xdeadbeef}));
  ASSERT_TRUE(LoadPvh(memory_, request_));
  EXPECT_EQ(ReadInt(memory_, bss, 4), 0u);
}

TEST_F(LoadPvhTest, SegmentOutsideRam) {
  testing::Put(&bytes_, testing::kElf64LoadHeader + 40, 8, 64 * kMiB);
  EXPECT_EQ(LoadErrorOf(),
            "not enough RAM for kernel 'test': its segment at 0x200000 of 65536 KiB is outside "
            "guest RAM");
}

TEST_F(LoadPvhTest, SegmentBelowOneMiB) {
  testing::Put(&bytes_, testing::kElf64LoadHeader + 24, 8, 0x1000);
  testing::Put(&bytes_, testing::kElf64Note + 40, 8, 0x1000);
  EXPECT_EQ(LoadErrorOf(), "Error while loading elf kernel: segment at 0x1000 lies below 1 MiB");
}

TEST_F(LoadPvhTest, InitrdDoesNotOverlapTheKernel) {
  initrd_bytes_ = Bytes(2 * kMiB);
  EXPECT_EQ(LoadErrorOf(4 * kMiB),
            "initrd is too large, cannot support.(max: 2093056, need 2097152)");
}

}  // namespace
}  // namespace davit::boot
