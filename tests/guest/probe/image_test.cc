// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The two forms of the probe guest are what loaders expect. That it runs is shown by the guest
// tests.

#include "tests/guest/probe/image.h"

#include <cstring>
#include <string_view>

#include <gtest/gtest.h>

namespace davit {
namespace {

template <typename T>
T Read(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.subspan(offset, sizeof value).data(), sizeof value);
  return value;
}

TEST(ProbeGuestImageTest, BzImageHeaderNamesThe64BitEntry) {
  const auto image = ProbeGuestImage();
  ASSERT_GT(image.size(), 0x600u);
  EXPECT_EQ(Read<uint16_t>(image, 0x1fe), 0xaa55);
  EXPECT_EQ(Read<uint32_t>(image, 0x202), 0x53726448u);  // "HdrS"
  EXPECT_GE(Read<uint16_t>(image, 0x206), 0x20c);
  EXPECT_EQ(Read<uint16_t>(image, 0x236) & 1, 1);      // XLF_KERNEL_64
  EXPECT_EQ(Read<uint64_t>(image, 0x258), 0x100000u);  // pref_address
}

TEST(ProbeGuestImageTest, BzImageSizesCoverTheImageAndItsBss) {
  const auto image = ProbeGuestImage();
  const size_t setup = (Read<uint8_t>(image, 0x1f1) + 1) * 512;
  const size_t payload = Read<uint32_t>(image, 0x1f4) * size_t{16};
  EXPECT_EQ(setup + payload, image.size());
  EXPECT_GT(Read<uint32_t>(image, 0x260), payload);  // init_size
}

TEST(ProbeGuestImageTest, KernelVersionStringIsNamed) {
  const auto image = ProbeGuestImage();
  const size_t at = Read<uint16_t>(image, 0x20e) + 0x200u;
  const char* text = reinterpret_cast<const char*>(image.data() + at);
  EXPECT_EQ(std::string_view(text), "davit probe guest");
}

TEST(ProbeGuestImageTest, ElfCarriesThePvhNote) {
  const auto elf = ProbeGuestElf();
  const std::string_view text(reinterpret_cast<const char*>(elf.data()), elf.size());
  EXPECT_EQ(text.substr(0, 4),
            "\x7f"
            "ELF");
  using namespace std::string_view_literals;
  EXPECT_NE(text.find("\x04\0\0\0\x04\0\0\0\x12\0\0\0Xen\0"sv), std::string_view::npos);
}

}  // namespace
}  // namespace davit
