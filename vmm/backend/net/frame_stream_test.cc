// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/backend/net/frame_stream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace davit::backend {
namespace {

constexpr size_t kMax = 100;

std::string Frame(const std::string& payload) {
  const auto prefix = StreamPrefix(payload.size());
  std::string text;
  for (std::byte byte : prefix) text += static_cast<char>(byte);
  return text + payload;
}

class FrameAssemblerTest : public testing::Test {
 protected:
  Status Feed(const std::string& text) {
    const auto space = assembler_.Space();
    EXPECT_GE(space.size(), text.size());
    std::copy_n(std::as_bytes(std::span(text)).begin(), text.size(), space.begin());
    return assembler_.Filled(text.size());
  }
  std::string Take() {
    std::string text;
    for (std::byte byte : assembler_.Front()) text += static_cast<char>(byte);
    if (!text.empty()) assembler_.Pop();
    return text;
  }
  FrameAssembler assembler_{kMax};
};

TEST(StreamPrefix, LengthIsBigEndian) {
  EXPECT_EQ(StreamPrefix(0x01020304),
            (std::array{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}}));
}

TEST_F(FrameAssemblerTest, TwoFramesInOnePiece) {
  ASSERT_TRUE(Feed(Frame("abc") + Frame("de")));
  EXPECT_EQ(Take(), "abc");
  EXPECT_EQ(Take(), "de");
  EXPECT_EQ(Take(), "");
}

TEST_F(FrameAssemblerTest, FrameByteByByte) {
  const std::string text = Frame("abc");
  for (char c : text.substr(0, text.size() - 1)) {
    ASSERT_TRUE(Feed(std::string(1, c)));
    EXPECT_EQ(Take(), "");
  }
  ASSERT_TRUE(Feed(text.substr(text.size() - 1)));
  EXPECT_EQ(Take(), "abc");
}

TEST_F(FrameAssemblerTest, TooLargeFrameIsRefusedWithItsPrefix) {
  EXPECT_TRUE(Feed(Frame(std::string(kMax, 'x'))));
  EXPECT_EQ(Take(), std::string(kMax, 'x'));
  EXPECT_FALSE(Feed(Frame(std::string(kMax + 1, 'x')).substr(0, kStreamPrefix)));
}

TEST_F(FrameAssemblerTest, LongStreamStaysWithinItsBuffer) {
  std::string rest;
  for (int i = 0; i < 1000; ++i) {
    const std::string frame = Frame(std::string(1 + i % kMax, 'a'));
    // Half now, half later: the begun frame must survive the move to the front.
    ASSERT_TRUE(Feed(frame.substr(0, frame.size() / 2)));
    ASSERT_TRUE(Feed(frame.substr(frame.size() / 2)));
    ASSERT_EQ(Take().size(), 1 + i % kMax);
  }
}

}  // namespace
}  // namespace davit::backend
