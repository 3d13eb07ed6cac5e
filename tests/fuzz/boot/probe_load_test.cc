// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/guest/probe/image.h"
#include "vmm/base/units.h"
#include "vmm/boot/kernel_loader.h"
#include "vmm/boot/testing/test_images.h"

namespace davit::boot {
namespace {

Result<LoadedKernel> Load(std::span<const std::byte> bytes) {
  const Image kernel = Image::FromBytes(ImageRole::kKernel, bytes, "probe guest");
  LoadRequest request;
  request.kernel = &kernel;
  return LoadKernel(testing::MakeMemory(16 * kMiB), request);
}

TEST(ProbeGuest, LoadsByTheLinuxProtocol) {
  const Result<LoadedKernel> loaded = Load(ProbeGuestImage());
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->entry.kind, EntryKind::kLinux64);
}

TEST(ProbeGuest, LoadsByPvh) {
  const Result<LoadedKernel> loaded = Load(ProbeGuestElf());
  ASSERT_TRUE(loaded) << loaded.error();
  EXPECT_EQ(loaded->entry.kind, EntryKind::kPvh32);
}

}  // namespace
}  // namespace davit::boot
