// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// vmcoreinfo: the guest leaves its note by the DMA interface of fw_cfg, reads it back, and a reset
// forgets it; writes that do not fit change nothing. Runs on QEMU, too.
#include <gtest/gtest.h>

#include "tests/support/virtio/machine.h"

namespace davit::qtest {
namespace {

constexpr uint16_t kSelector = 0x510, kData = 0x511, kDmaLow = 0x518;
constexpr uint16_t kDirectory = 0x19, kSignature = 0x00;
constexpr uint32_t kError = 1, kRead = 2, kSkip = 4, kSelect = 8, kWrite = 16;
constexpr uint64_t kRamEnd = 128 << 20;
constexpr char kNoNote[] = "\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

class VmCoreInfoQtest : public ::testing::Test {
 protected:
  VmCoreInfoQtest() : m_({"-M", "q35", "-m", "128", "-device", "vmcoreinfo,id=v0"}) {
    descriptor_ = m_.Allocate(16);
    buffer_ = m_.Allocate(4096, 4096);
    key_ = FindFile("etc/vmcoreinfo");
  }
  std::string ReadItem(uint16_t key, size_t size) {
    m_.Out(kSelector, 2, key);
    std::string text;
    while (text.size() < size) text += static_cast<char>(m_.InB(kData));
    return text;
  }
  static uint32_t Big(const std::string& text, size_t at, size_t size) {
    uint32_t value = 0;
    for (size_t i = at; i < at + size; ++i) value = value << 8 | static_cast<uint8_t>(text[i]);
    return value;
  }
  // The file's key, and its size; 0: there is none.
  uint16_t FindFile(const std::string& name) {
    const uint32_t count = Big(ReadItem(kDirectory, 4), 0, 4);
    const std::string all = ReadItem(kDirectory, 4 + 64 * size_t{count});
    for (uint32_t i = 0; i < count; ++i) {
      const size_t at = 4 + 64 * size_t{i};
      if (all.c_str() + at + 8 != name) continue;
      size_ = Big(all, at, 4);
      return static_cast<uint16_t>(Big(all, at + 4, 2));
    }
    return 0;
  }
  // The control word afterwards.
  uint32_t Dma(uint32_t control, uint32_t length, uint64_t address) {
    m_.Write32(descriptor_, __builtin_bswap32(control));
    m_.Write32(descriptor_ + 4, __builtin_bswap32(length));
    m_.Write(descriptor_ + 8, 8, __builtin_bswap64(address));
    m_.Out(kDmaLow, 4, __builtin_bswap32(static_cast<uint32_t>(descriptor_)));
    return __builtin_bswap32(m_.Read32(descriptor_));
  }
  uint32_t WriteAt(uint16_t key, uint32_t offset, const std::string& text) {
    m_.WriteBytes(buffer_, text);
    if (offset != 0) {
      EXPECT_EQ(Dma(kSelect | kSkip | uint32_t{key} << 16, offset, 0), 0U);
      return Dma(kWrite, static_cast<uint32_t>(text.size()), buffer_);
    }
    return Dma(kSelect | kWrite | uint32_t{key} << 16, static_cast<uint32_t>(text.size()), buffer_);
  }
  std::string Content() { return ReadItem(key_, 16); }

  Machine m_;
  uint64_t descriptor_ = 0, buffer_ = 0;
  uint16_t key_ = 0;
  uint32_t size_ = 0;
};

TEST_F(VmCoreInfoQtest, NoteIsKeptUntilTheReset) {
  ASSERT_NE(key_, 0);
  EXPECT_EQ(size_, 16U);
  EXPECT_EQ(Content(), std::string(kNoNote, 16));
  const std::string note("\1\0\1\0\x24\x10\0\0\x78\x56\x34\x12\0\0\0\0", 16);
  EXPECT_EQ(WriteAt(key_, 0, note), 0U);
  EXPECT_EQ(Content(), note);
  EXPECT_EQ(WriteAt(key_, 4, "\xff"), 0U);
  EXPECT_EQ(Content(), std::string(note).replace(4, 1, "\xff"));
  m_.Qmp("system_reset");
  EXPECT_TRUE(m_.WaitFor([&] { return Content() == std::string(kNoNote, 16); }));
}

TEST_F(VmCoreInfoQtest, WritesThatDoNotFitChangeNothing) {
  ASSERT_NE(key_, 0);
  EXPECT_EQ(WriteAt(key_, 0, std::string(17, 'x')), kError);
  EXPECT_EQ(WriteAt(key_, 12, std::string(5, 'x')), kError);
  EXPECT_EQ(WriteAt(key_, 16, "x"), kError);
  const uint32_t to_file = kSelect | kWrite | uint32_t{key_} << 16;
  EXPECT_EQ(Dma(to_file, UINT32_MAX, buffer_), kError);
  EXPECT_EQ(Content(), std::string(kNoNote, 16));
  if (!Machine::IsQemu()) {  // which reads what it can
    EXPECT_EQ(Dma(to_file, 16, kRamEnd - 8), kError);
    EXPECT_EQ(Dma(to_file, 16, ~uint64_t{0} - 7), kError);
    EXPECT_EQ(Content(), std::string(kNoNote, 16));
  }
  // Other items are not written.
  EXPECT_EQ(WriteAt(kSignature, 0, "x"), kError);
  EXPECT_EQ(ReadItem(kSignature, 4), "QEMU");
}

}  // namespace
}  // namespace davit::qtest
