// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/boot/image.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "vmm/boot/testing/test_images.h"

namespace davit::boot {
namespace {

std::string OpenError(ImageRole role, const std::string& path) {
  const Result<Image> image = Image::Open(role, path);
  return image ? "no error" : image.error().message;
}

TEST(Image, MissingFileIsNamedInTheRolesWords) {
  EXPECT_EQ(OpenError(ImageRole::kKernel, "/nope"),
            "could not open kernel file '/nope': No such file or directory");
  EXPECT_EQ(OpenError(ImageRole::kInitrd, "/nope"),
            "error reading initrd /nope: No such file or directory");
  EXPECT_EQ(OpenError(ImageRole::kDtb, "/nope"),
            "error reading dtb /nope: No such file or directory");
}

TEST(Image, DirectoryIsRefused) {
  EXPECT_EQ(OpenError(ImageRole::kKernel, "/"), "could not load kernel '/': Is a directory");
}

TEST(Image, FifoIsRefusedWithoutHanging) {
  const std::string path = ::testing::TempDir() + "/fifo";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(OpenError(ImageRole::kKernel, path),
            "could not load kernel '" + path + "': Illegal seek");
  unlink(path.c_str());
}

TEST(Image, FileAndBytesReadAlike) {
  const testing::Bytes content = testing::MakeBzImage();
  const testing::TempFile file(content);
  const Result<Image> from_file = Image::Open(ImageRole::kKernel, file.path());
  ASSERT_TRUE(from_file) << from_file.error();
  const Image from_bytes = testing::KernelOf(content);
  EXPECT_EQ(from_file->size(), content.size());
  for (const Image* image : {&*from_file, &from_bytes}) {
    const Result<testing::Bytes> all = image->ReadAll(1 << 20);
    ASSERT_TRUE(all) << all.error();
    EXPECT_EQ(*all, content);
    std::array<std::byte, 16> part;
    EXPECT_TRUE(image->ReadAt(content.size() - 16, part));
    EXPECT_FALSE(image->ReadAt(content.size() - 15, part));
    EXPECT_FALSE(image->ReadAt(UINT64_MAX, part));
  }
}

TEST(Image, LargerThanTheLimitIsRefused) {
  const testing::Bytes content(100);
  const Image image = Image::FromBytes(ImageRole::kDtb, content, "x.dtb");
  const Result<testing::Bytes> all = image.ReadAll(99);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().message, "error reading dtb x.dtb: file is too large (max: 99, need 100)");
}

TEST(Image, ShrunkFileIsAnError) {
  const testing::TempFile file(testing::Bytes(8192));
  const Result<Image> image = Image::Open(ImageRole::kInitrd, file.path());
  ASSERT_TRUE(image);
  ASSERT_EQ(truncate(file.path().c_str(), 100), 0);
  EXPECT_FALSE(image->ReadAll(8192));
  const memory::GuestMemory memory = testing::MakeMemory(2 << 20);
  EXPECT_FALSE(image->LoadInto(memory, memory::GuestAddress{0}, 0, 8192));
}

}  // namespace
}  // namespace davit::boot
