// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/boot/kernel_loader.h"

#include <glob.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "vmm/base/units.h"
#include "vmm/boot/microvm_layout.h"
#include "vmm/boot/testing/test_images.h"

namespace davit::boot {
namespace {

using testing::Bytes;

Result<LoadedKernel> Load(const Image& kernel, uint64_t ram = 64 * kMiB) {
  LoadRequest request;
  request.kernel = &kernel;
  return LoadKernel(testing::MakeMemory(ram), request);
}

TEST(LoadKernel, ChoosesTheLoaderByTheFile) {
  const Bytes bz = testing::MakeBzImage();
  const Bytes elf = testing::MakeElf64();
  const Result<LoadedKernel> linux_kernel = Load(testing::KernelOf(bz));
  const Result<LoadedKernel> pvh_kernel = Load(testing::KernelOf(elf));
  ASSERT_TRUE(linux_kernel) << linux_kernel.error();
  ASSERT_TRUE(pvh_kernel) << pvh_kernel.error();
  EXPECT_EQ(linux_kernel->entry.kind, EntryKind::kLinux64);
  EXPECT_EQ(pvh_kernel->entry.kind, EntryKind::kPvh32);
}

TEST(LoadKernel, EmptyFile) {
  const Result<LoadedKernel> loaded = Load(testing::KernelOf({}));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message, "could not load kernel 'test': the file is empty");
}

TEST(LoadKernel, AnythingElseIsNoKernel) {
  const Bytes text(4096, std::byte{'x'});
  const Result<LoadedKernel> loaded = Load(testing::KernelOf(text));
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message, "invalid kernel header");
}

TEST(LoadKernel, FromAFileAsFromBytes) {
  const testing::TempFile file(testing::MakeBzImage());
  const Result<Image> image = Image::Open(ImageRole::kKernel, file.path());
  ASSERT_TRUE(image) << image.error();
  const Result<LoadedKernel> loaded = Load(*image);
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->kernel.base, kHighMemoryStart);
}

// The distribution's own kernel, where there is one: fetched for the guest tests (.cache/guest of
// the work tree) or installed. Empty: none.
std::string DebianKernel(const std::string& name) {
  std::error_code ignored;
  const std::filesystem::path here = std::filesystem::canonical("vmm/boot/BUILD", ignored);
  const std::filesystem::path fetched =
      here.parent_path().parent_path().parent_path() / ".cache/guest" / name;
  if (access(fetched.c_str(), R_OK) == 0) return fetched;
  glob_t found;
  std::string path;
  if (glob(("/boot/" + name + "-*").c_str(), 0, nullptr, &found) == 0) path = found.gl_pathv[0];
  globfree(&found);
  return access(path.c_str(), R_OK) == 0 ? path : "";
}

TEST(LoadKernel, DebiansBzImage) {
  const std::string path = DebianKernel("vmlinuz");
  if (path.empty()) GTEST_SKIP() << "no kernel in .cache/guest or /boot";
  const Result<Image> image = Image::Open(ImageRole::kKernel, path);
  ASSERT_TRUE(image) << image.error();
  const Result<LoadedKernel> loaded = Load(*image, 512 * kMiB);
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->entry.kind, EntryKind::kLinux64);
  EXPECT_EQ(loaded->entry.rip, 0x100200u);
  EXPECT_GT(loaded->kernel.size, image->size());
  EXPECT_FALSE(Load(*image, 8 * kMiB)) << "8 MiB cannot hold it";
}

TEST(LoadKernel, DebiansVmlinux) {
  const std::string path = DebianKernel("vmlinux");
  if (path.empty()) GTEST_SKIP() << "no kernel in .cache/guest or /boot";
  const Result<Image> image = Image::Open(ImageRole::kKernel, path);
  ASSERT_TRUE(image) << image.error();
  const Result<LoadedKernel> loaded = Load(*image, 512 * kMiB);
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->entry.kind, EntryKind::kPvh32);
  EXPECT_GE(loaded->kernel.base, 16 * kMiB);
  EXPECT_FALSE(Load(*image, 16 * kMiB)) << "16 MiB cannot hold it";
}

}  // namespace
}  // namespace davit::boot
