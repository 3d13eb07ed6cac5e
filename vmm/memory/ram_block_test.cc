// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// RamBlock: every backing store, and each operator's mistake with the text that names it.
#include "vmm/memory/ram_block.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>

#include "vmm/base/units.h"
#include "vmm/memory/guest_memory.h"

namespace davit::memory {
namespace {

using Kind = RamBlockOptions::Kind;

std::string TempPath(const std::string& name) {
  const char* dir = std::getenv("TEST_TMPDIR");
  return std::string(dir != nullptr ? dir : "/tmp") + "/" + name;
}

RamBlockOptions Options(Kind kind, uint64_t size) {
  RamBlockOptions options;
  options.kind = kind;
  options.id = "mem0";
  options.size = size;
  return options;
}

uint8_t ByteAt(const RamBlock& block, uint64_t offset) {
  std::array<std::byte, 1> byte{};
  block.CopyOut(offset, byte);
  return std::to_integer<uint8_t>(byte[0]);
}

void SetByte(const RamBlock& block, uint64_t offset, uint8_t value) {
  block.CopyIn(offset, std::array{std::byte{value}});
}

std::string ErrorOf(const RamBlockOptions& options) {
  auto block = RamBlock::Create(options);
  return block ? "no error" : block.error().message;
}

TEST(RamBlock, AnonymousSizeIsRoundedUpToPages) {
  auto block = RamBlock::Create(Options(Kind::kAnonymous, 100));
  ASSERT_TRUE(block) << block.error();
  EXPECT_EQ((*block)->size(), kPageSize);
  EXPECT_EQ((*block)->fd(), -1);
  EXPECT_EQ(ByteAt(**block, 99), 0);
}

TEST(RamBlock, AnonymousBeyondTheHostFails) {
  EXPECT_EQ(ErrorOf(Options(Kind::kAnonymous, uint64_t{1} << 50)),
            "cannot set up guest memory 'mem0': Cannot allocate memory");
}

TEST(RamBlock, LargeAnonymousLiesOnHugePageBoundary) {
  auto block = RamBlock::Create(Options(Kind::kAnonymous, 4 * kMiB));
  ASSERT_TRUE(block) << block.error();
  EXPECT_EQ((*block)->host_address() % (2 * kMiB), 0U);
}

TEST(RamBlock, MemfdSharesItsBytesAndIsSealed) {
  auto options = Options(Kind::kMemfd, 2 * kPageSize);
  options.share = true;
  auto block = RamBlock::Create(options);
  ASSERT_TRUE(block) << block.error();
  SetByte(**block, 5000, 42);
  uint8_t byte = 0;
  ASSERT_EQ(pread((*block)->fd(), &byte, 1, 5000), 1);
  EXPECT_EQ(byte, 42);
  EXPECT_EQ(fcntl((*block)->fd(), F_GET_SEALS) & (F_SEAL_GROW | F_SEAL_SHRINK),
            F_SEAL_GROW | F_SEAL_SHRINK);
}

TEST(RamBlock, AMemfdIsWholePages) {
  for (const bool seal : {true, false}) {
    auto options = Options(Kind::kMemfd, 7);
    options.seal = seal;
    EXPECT_EQ(ErrorOf(options), "backing store size 0x7 does not match 'size' option 0x1000");
    options.size = kPageSize + 1;
    EXPECT_EQ(ErrorOf(options), "backing store size 0x1001 does not match 'size' option 0x2000");
  }
}

TEST(RamBlock, FileIsMadeAndSized) {
  auto options = Options(Kind::kFile, 3 * kPageSize);
  options.path = TempPath("made");
  options.share = true;
  auto block = RamBlock::Create(options);
  ASSERT_TRUE(block) << block.error();
  struct stat st {};
  ASSERT_EQ(stat(options.path.c_str(), &st), 0);
  EXPECT_EQ(st.st_size, static_cast<off_t>(3 * kPageSize));
}

TEST(RamBlock, FileOffsetSelectsTheRange) {
  const std::string path = TempPath("ranged");
  {
    std::ofstream out(path, std::ios::binary);
    out << std::string(kPageSize, 'a') << std::string(kPageSize, 'b');
  }
  auto options = Options(Kind::kFile, kPageSize);
  options.path = path;
  options.offset = kPageSize;
  auto block = RamBlock::Create(options);
  ASSERT_TRUE(block) << block.error();
  EXPECT_EQ(ByteAt(**block, 0), 'b');
  options.size = 2 * kPageSize;
  EXPECT_EQ(ErrorOf(options),
            "backing store size 0x2000 is too small for 'size' option 0x2000 plus 'offset' option "
            "0x1000");
  options.offset = 5;
  EXPECT_EQ(ErrorOf(options), "offset 0x5 must be multiples of page size 0x1000");
}

TEST(RamBlock, PrivateFileMappingLeavesTheFileAlone) {
  const std::string path = TempPath("private");
  std::ofstream(path, std::ios::binary) << std::string(kPageSize, 'a');
  auto options = Options(Kind::kFile, kPageSize);
  options.path = path;
  auto block = RamBlock::Create(options);
  ASSERT_TRUE(block) << block.error();
  SetByte(**block, 0, 'z');
  char first = 0;
  std::ifstream(path, std::ios::binary).get(first);
  EXPECT_EQ(first, 'a');
}

TEST(RamBlock, CharacterDeviceIsMappedDirectlyAndNotResized) {
  auto options = Options(Kind::kFile, 2 * kPageSize);
  options.path = "/dev/zero";
  options.offset = 16 * kPageSize;
  auto block = RamBlock::Create(options);
  ASSERT_TRUE(block) << block.error();
  SetByte(**block, 1, 9);
  EXPECT_EQ(ByteAt(**block, 1), 9);
}

TEST(RamBlock, DeviceThatCannotBeMappedNamesTheCause) {
  auto options = Options(Kind::kFile, kMiB);
  options.path = "/dev/null";
  EXPECT_EQ(ErrorOf(options), "unable to map backing store for guest RAM: No such device");
}

TEST(RamBlock, DeviceThatEndsBeforeTheRangeNamesThePlace) {
  auto options = Options(Kind::kFile, 2 * kPageSize);
  options.path = "/dev/zero";  // shared, it has as many bytes as are mapped
  options.share = true;
  ASSERT_TRUE(RamBlock::Create(options));
  options.offset = kPageSize;
  EXPECT_EQ(ErrorOf(options),
            "unable to map backing store for guest RAM: Bad address (no memory at offset 0x2000 of "
            "/dev/zero)");
  options.offset = 16 * kPageSize;
  EXPECT_EQ(ErrorOf(options),
            "unable to map backing store for guest RAM: Bad address (no memory at offset 0x10000 "
            "of /dev/zero)");
}

TEST(RamBlock, MissingFolderNamesThePath) {
  auto options = Options(Kind::kFile, kMiB);
  options.path = TempPath("no/such/file");
  EXPECT_EQ(ErrorOf(options), "can't open backing store " + options.path +
                                  " for guest RAM: No such file or directory");
}

TEST(RamBlock, FolderGetsAnUnlinkedFile) {
  auto options = Options(Kind::kFile, kMiB);
  options.path = TempPath("");
  options.share = true;
  auto block = RamBlock::Create(options);
  ASSERT_TRUE(block) << block.error();
  struct stat st {};
  ASSERT_EQ(fstat((*block)->fd(), &st), 0);
  EXPECT_EQ(st.st_nlink, 0U);
}

TEST(RamBlock, SmallExistingFileDoesNotMatchSize) {
  const std::string path = TempPath("small");
  std::ofstream(path, std::ios::binary) << std::string(kPageSize, 'a');
  auto options = Options(Kind::kFile, 4 * kPageSize);
  options.path = path;
  EXPECT_EQ(ErrorOf(options), "backing store size 0x1000 does not match 'size' option 0x4000");
}

TEST(RamBlock, AlignmentIsChecked) {
  auto options = Options(Kind::kFile, kMiB);
  options.path = TempPath("aligned");
  options.align = 3;
  EXPECT_EQ(ErrorOf(options), "alignment 0x3 must be multiples of page size 0x1000");
  options.align = 16 * kMiB;
  auto block = RamBlock::Create(options);
  ASSERT_TRUE(block) << block.error();
  EXPECT_EQ((*block)->host_address() % (16 * kMiB), 0U);
}

TEST(RamBlock, HugePageSizeMustBeAPowerOfTwo) {
  auto options = Options(Kind::kMemfd, 2 * kMiB);
  options.hugetlb = true;
  options.hugetlbsize = 3 * kMiB;
  EXPECT_EQ(ErrorOf(options), "Hugepage size must be a power of 2");
}

TEST(RamBlock, TooSmallHugePagePoolIsNamed) {
  auto options = Options(Kind::kMemfd, uint64_t{1} << 42);
  options.hugetlb = true;
  options.hugetlbsize = 2 * kMiB;
  options.share = true;
  if (HugePagePool(2 * kMiB).empty()) GTEST_SKIP() << "the host has no 2 MiB huge pages";
  const std::string error = ErrorOf(options);
  EXPECT_TRUE(
      error.starts_with("unable to map backing store for guest RAM: Cannot allocate memory "
                        "(huge page pool: "))
      << error;
  EXPECT_TRUE(error.ends_with("2097152 needed)")) << error;
}

TEST(RamBlock, PreallocatedByThreadsIsResident) {
  auto options = Options(Kind::kMemfd, 8 * kMiB);
  options.share = true;
  options.prealloc = true;
  options.prealloc_threads = 3;
  auto block = RamBlock::Create(options);
  ASSERT_TRUE(block) << block.error();
  struct stat st {};
  ASSERT_EQ(fstat((*block)->fd(), &st), 0);
  EXPECT_EQ(st.st_blocks * 512, static_cast<blkcnt_t>(8 * kMiB));
}

TEST(RamBlock, FailureLeavesNoNewFileBehind) {
  RamBlockOptions options = Options(Kind::kFile, uint64_t{1} << 50);
  options.path = TempPath("too-large");
  EXPECT_NE(ErrorOf(options), "no error");
  EXPECT_NE(access(options.path.c_str(), F_OK), 0);
  std::ofstream(options.path) << "the user's own";
  EXPECT_NE(ErrorOf(options), "no error");
  EXPECT_EQ(access(options.path.c_str(), F_OK), 0);
}

TEST(RamBlock, FifoIsRefusedWithoutWaitingForItsWriter) {
  RamBlockOptions options = Options(Kind::kFile, 4096);
  options.path = TempPath("fifo");
  ASSERT_EQ(mkfifo(options.path.c_str(), 0600), 0);
  for (bool readonly : {true, false}) {
    options.readonly = readonly;
    EXPECT_EQ(ErrorOf(options), "backing store size 0x0 does not match 'size' option 0x1000");
  }
}

TEST(RamBlock, AnyNumberOfPreallocationThreadsIsTaken) {
  RamBlockOptions options = Options(Kind::kAnonymous, uint64_t{256} * kMiB);
  options.reserve = false;
  options.prealloc = true;
  options.prealloc_threads = UINT32_MAX;
  EXPECT_TRUE(RamBlock::Create(options));
}

TEST(RamBlock, NumaPolicyNeedsNodes) {
  auto options = Options(Kind::kAnonymous, kMiB);
  options.policy = NumaPolicy::kBind;
  EXPECT_EQ(ErrorOf(options), "host-nodes must be set for policy bind");
  options.policy = NumaPolicy::kDefault;
  options.host_nodes = {0};
  EXPECT_TRUE(ErrorOf(options).starts_with("host-nodes must be empty for policy default"));
}

}  // namespace
}  // namespace davit::memory
