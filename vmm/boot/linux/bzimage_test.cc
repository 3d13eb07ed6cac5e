// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/boot/linux/bzimage.h"

#include <gtest/gtest.h>

#include "vmm/base/units.h"
#include "vmm/boot/linux/boot_params.h"
#include "vmm/boot/microvm_layout.h"
#include "vmm/boot/testing/loader_fixture.h"
#include "vmm/boot/testing/test_images.h"

namespace davit::boot {
namespace {

using testing::Bytes;
using testing::ReadInt;

std::string ParseErrorOf(const Bytes& bytes) {
  const Result<BzImage> image = ParseBzImage(testing::KernelOf(bytes));
  return image ? "no error" : image.error().message;
}

std::string ParseErrorWith(size_t offset, size_t size, uint64_t value) {
  Bytes bytes = testing::MakeBzImage();
  testing::Put(&bytes, offset, size, value);
  return ParseErrorOf(bytes);
}

TEST(ParseBzImage, ReadsASoundHeader) {
  const Bytes bytes = testing::MakeBzImage();
  const Result<BzImage> image = ParseBzImage(testing::KernelOf(bytes));
  ASSERT_TRUE(image) << image.error();
  EXPECT_EQ(image->header.size(), 0x26cu - 0x1f1);
  EXPECT_EQ(image->kernel_offset, testing::kBzKernelOffset);
  EXPECT_EQ(image->kernel_size, testing::kBzKernelSize);
  EXPECT_EQ(image->run_end, testing::kBzPrefAddress + testing::kBzInitSize);
  EXPECT_EQ(image->initrd_limit, 4 * kGiB);
  EXPECT_EQ(image->cmdline_max, 2047u);
}

TEST(ParseBzImage, NoSetupSectorsMeansFour) {
  Bytes bytes = testing::MakeBzImage();
  testing::Put(&bytes, 0x1f1, 1, 0);
  const Result<BzImage> image = ParseBzImage(testing::KernelOf(bytes));
  ASSERT_TRUE(image) << image.error();
  EXPECT_EQ(image->kernel_offset, 5u * 512);
}

TEST(ParseBzImage, NotAKernel) {
  EXPECT_EQ(ParseErrorOf(Bytes(100000)), "invalid kernel header");
  EXPECT_EQ(ParseErrorOf(Bytes(100)), "invalid kernel header: the file is too short");
  EXPECT_EQ(ParseErrorWith(0x1fe, 2, 0), "invalid kernel header");
  EXPECT_EQ(ParseErrorWith(0x202, 4, 0), "invalid kernel header");
}

TEST(ParseBzImage, TruncatedBeforeTheCode) {
  Bytes bytes = testing::MakeBzImage();
  bytes.resize(testing::kBzKernelOffset + 0x200);
  EXPECT_EQ(ParseErrorOf(bytes), "invalid kernel header: the file ends before the kernel's code");
}

TEST(ParseBzImage, OldProtocolIsNamed) {
  EXPECT_EQ(ParseErrorWith(0x206, 2, 0x204),
            "kernel is too old: boot protocol 2.04, 2.12 is needed for the 64-bit entry point");
}

TEST(ParseBzImage, ThirtyTwoBitKernelIsRefused) {
  EXPECT_EQ(ParseErrorWith(0x236, 2, 0), "kernel has no 64-bit entry point (a 32-bit kernel?)");
}

TEST(ParseBzImage, ZImageIsRefused) {
  EXPECT_EQ(ParseErrorWith(0x211, 1, 0),
            "invalid kernel header: the kernel does not load at 1 MiB");
}

TEST(ParseBzImage, HeaderShorterThanItsVersion) {
  EXPECT_EQ(ParseErrorWith(0x201, 1, 0x20),
            "invalid kernel header: it is shorter than its version says");
}

TEST(ParseBzImage, HeaderNeverReachesBehindItsPlaceInBootParams) {
  Bytes bytes = testing::MakeBzImage();
  testing::Put(&bytes, 0x201, 1, 0xff);
  const Result<BzImage> image = ParseBzImage(testing::KernelOf(bytes));
  ASSERT_TRUE(image) << image.error();
  EXPECT_EQ(image->header.size(), 0x290u - 0x1f1);
}

TEST(ParseBzImage, WildAddressesAreRefused) {
  EXPECT_EQ(ParseErrorWith(0x230, 4, 3), "invalid kernel header: alignment 0x3 is no power of two");
  EXPECT_EQ(ParseErrorWith(0x258, 8, ~uint64_t{0}),
            "invalid kernel header: preferred address 0xffffffffffffffff is above 4 GiB");
}

class LoadBzImageTest : public testing::LoaderTest {
 protected:
  LoadBzImageTest() : LoaderTest(LoadBzImage, testing::MakeBzImage()) {}

  uint64_t Param(uint64_t offset, size_t size) {
    return ReadInt(memory_, kBootZeroPage + offset, size);
  }
};

TEST_F(LoadBzImageTest, KernelAndEntryPoint) {
  const Result<LoadedKernel> loaded = Load();
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->entry.kind, EntryKind::kLinux64);
  EXPECT_EQ(loaded->entry.rip, 0x100200u);
  EXPECT_EQ(loaded->entry.rsi, kBootZeroPage);
  EXPECT_EQ(ReadInt(memory_, 0x100000 + 400, 4), 100u);
  EXPECT_EQ(ReadInt(memory_, 0x100000 + testing::kBzKernelSize - 4, 4),
            testing::kBzKernelSize / 4 - 1);
}

TEST_F(LoadBzImageTest, GdtAndIdentityMap) {
  ASSERT_TRUE(Load());
  EXPECT_EQ(ReadInt(memory_, kBootGdt + 0x10, 8), kBootCode64.Descriptor());
  EXPECT_EQ(ReadInt(memory_, kBootGdt + 0x18, 8), kBootData.Descriptor());
  EXPECT_EQ(ReadInt(memory_, kBootPageTables, 8), kBootPageTables + 0x1003);
  EXPECT_EQ(ReadInt(memory_, kBootPageTables + 0x1018, 8), kBootPageTables + 0x5003);
  EXPECT_EQ(ReadInt(memory_, kBootPageTables + 0x1020, 8), 0u);
  EXPECT_EQ(ReadInt(memory_, kBootPageTables + 0x2008, 8), 0x200083u);
  EXPECT_EQ(ReadInt(memory_, kBootPageTables + 0x5ff8, 8), 0xffe00083u);
}

TEST_F(LoadBzImageTest, ZeroPage) {
  request_.cmdline = "console=ttyS0 quiet";
  request_.rsdp = kAcpiTablesBase;
  ASSERT_TRUE(Load());
  EXPECT_EQ(Param(0x70, 8), kAcpiTablesBase);
  EXPECT_EQ(Param(0x1fe, 2), 0xaa55u);
  EXPECT_EQ(Param(0x202, 4), 0x53726448u);
  EXPECT_EQ(Param(0x210, 1), 0xffu);
  EXPECT_EQ(Param(0x1ef, 1), 0u) << "sentinel";
  EXPECT_EQ(Param(0x218, 8), 0u) << "no initrd";
  EXPECT_EQ(Param(0x250, 8), 0u) << "no setup_data";
  EXPECT_EQ(testing::ReadString(memory_, Param(0x228, 4)), "console=ttyS0 quiet");
  EXPECT_EQ(Param(0x1e8, 1), 4u);
  EXPECT_EQ(Param(0x2d0, 8), 0u);
  EXPECT_EQ(Param(0x2d8, 8), 0x9fc00u);
  EXPECT_EQ(Param(0x2e0, 4), 1u);
  EXPECT_EQ(Param(0x2d0 + 60, 8), 0x100000u);
  EXPECT_EQ(Param(0x2d0 + 68, 8), 63 * kMiB);
}

TEST_F(LoadBzImageTest, InitrdLiesAtTheTopOfRam) {
  initrd_bytes_ = Bytes(10000, std::byte{0x5a});
  const Result<LoadedKernel> loaded = Load();
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->initrd, (GuestRange{64 * kMiB - 3 * 4096, 10000}));
  EXPECT_EQ(Param(0x218, 4), loaded->initrd.base);
  EXPECT_EQ(Param(0x21c, 4), 10000u);
  EXPECT_EQ(ReadInt(memory_, loaded->initrd.base + 9996, 4), 0x5a5a5a5au);
}

TEST_F(LoadBzImageTest, InitrdObeysTheKernelsLimit) {
  testing::Put(&bytes_, 0x236, 2, 1);  // not above 4 GiB: initrd_addr_max counts
  testing::Put(&bytes_, 0x22c, 4, 0x2ffffff);
  initrd_bytes_ = Bytes(4096);
  const Result<LoadedKernel> loaded = Load();
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->initrd.base, 0x2fff000u);
}

TEST_F(LoadBzImageTest, InitrdStaysBelow4GiBOnALargeMachine) {
  initrd_bytes_ = Bytes(4096);
  const Result<LoadedKernel> loaded = Load(6 * kGiB);
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->initrd.base, 3 * kGiB - 4096);
}

TEST_F(LoadBzImageTest, InitrdThatDoesNotFit) {
  initrd_bytes_ = Bytes(2 * kMiB);
  EXPECT_EQ(LoadErrorOf(18 * kMiB),
            "initrd is too large, cannot support.(max: 1048576, need 2097152)");
}

TEST_F(LoadBzImageTest, TooLittleRamForTheKernel) {
  EXPECT_EQ(LoadErrorOf(16 * kMiB),
            "not enough RAM for kernel 'test': it needs 17408 KiB, the machine has 16384");
}

TEST_F(LoadBzImageTest, CommandLineAtTheLimitAndBeyond) {
  request_.cmdline.assign(2047, 'x');
  EXPECT_EQ(LoadErrorOf(), "no error");
  request_.cmdline.push_back('x');
  EXPECT_EQ(LoadErrorOf(), "kernel command line is too long (max: 2047, need 2048)");
}

TEST_F(LoadBzImageTest, DeviceTreeGoesThroughSetupData) {
  initrd_bytes_ = Bytes(4096);
  GuestRange told;
  request_.make_fdt = [&told](GuestRange initrd) -> Result<Bytes> {
    told = initrd;
    return Bytes(100, std::byte{0x77});
  };
  const Result<LoadedKernel> loaded = Load();
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(told, loaded->initrd);
  const uint64_t node = Param(0x250, 8);
  EXPECT_EQ(node, loaded->initrd.base - 4096);
  EXPECT_EQ(ReadInt(memory_, node, 8), 0u) << "next";
  EXPECT_EQ(ReadInt(memory_, node + 8, 4), 2u) << "SETUP_DTB";
  EXPECT_EQ(ReadInt(memory_, node + 12, 4), 100u);
  EXPECT_EQ(loaded->fdt, (GuestRange{node + 16, 100}));
  EXPECT_EQ(ReadInt(memory_, node + 16 + 92, 8), 0x7777777777777777u);
}

TEST_F(LoadBzImageTest, ErrorOfTheTreeTravelsUp) {
  request_.make_fdt = [](GuestRange) -> Result<Bytes> { return Fail("no tree"); };
  EXPECT_EQ(LoadErrorOf(), "no tree");
}

}  // namespace
}  // namespace davit::boot
