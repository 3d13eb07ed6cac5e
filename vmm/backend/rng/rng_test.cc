// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Sources of random bytes: order, cancelling, and each kind.
#include "vmm/backend/rng/rng.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/io/testing/fake_event_loop.h"

namespace davit::backend {
namespace {

std::string Text(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

class RngSources : public testing::Test {
 protected:
  RngSink Keep() {
    return [this](std::span<const std::byte> bytes) { got_.push_back(Text(bytes)); };
  }
  std::string File(const std::string& contents) {
    const std::string path = testing::TempDir() + "/rng_source";
    std::ofstream(path, std::ios::binary) << contents;
    return path;
  }
  io::FakeEventLoop loop_;
  std::vector<std::string> got_;
};

TEST_F(RngSources, BuiltinGivesWhatWasAskedForLater) {
  const auto source = MakeRngBuiltin(loop_);
  const auto request = source->Ask(16, Keep());
  EXPECT_TRUE(got_.empty());
  loop_.RunPosted();
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_EQ(got_[0].size(), 16U);
  EXPECT_NE(got_[0], std::string(16, '\0'));
}

TEST_F(RngSources, CancelledRequestGetsNothing) {
  const auto source = MakeRngBuiltin(loop_);
  auto first = source->Ask(16, Keep());
  const auto second = source->Ask(5, Keep());
  first.reset();
  loop_.RunPosted();
  ASSERT_EQ(got_.size(), 1U);
  EXPECT_EQ(got_[0].size(), 5U);
}

TEST_F(RngSources, SourceMayGoBeforeItsRequests) {
  auto source = MakeRngBuiltin(loop_);
  const auto request = source->Ask(16, Keep());
  source.reset();
  loop_.RunPosted();
  EXPECT_TRUE(got_.empty());
}

TEST_F(RngSources, RandomReadsItsFileInOrder) {
  const auto source = OpenRngRandom(loop_, PlainOpener(), File("abcdefgh")).value();
  const auto first = source->Ask(3, Keep());
  const auto second = source->Ask(4, Keep());
  loop_.RunPosted();
  for (int fd = 3; fd < 64; ++fd) {
    while (loop_.FireReadable(fd)) {
    }
  }
  EXPECT_EQ(got_, (std::vector<std::string>{"abc", "defg"}));
}

TEST_F(RngSources, RandomAtTheEndOfItsFileGivesNoMore) {
  const auto source = OpenRngRandom(loop_, PlainOpener(), File("ab")).value();
  const auto first = source->Ask(3, Keep());
  const auto second = source->Ask(4, Keep());
  loop_.RunPosted();
  for (int fd = 3; fd < 64; ++fd) {
    while (loop_.FireReadable(fd)) {
    }
  }
  EXPECT_EQ(got_, (std::vector<std::string>{"ab"}));
}

TEST_F(RngSources, RandomNamesTheFileThatItCannotOpen) {
  const auto source = OpenRngRandom(loop_, PlainOpener(), "/nonexistent");
  ASSERT_FALSE(source);
  EXPECT_EQ(source.error().message, "Could not open '/nonexistent': No such file or directory");
}

TEST_F(RngSources, EgdAsksAndGivesWhatComes) {
  FakeChardev chardev;
  const auto source = ConnectRngEgd(loop_, &chardev).value();
  const auto first = source->Ask(3, Keep());
  const auto second = source->Ask(1000, Keep());
  loop_.RunPosted();
  EXPECT_EQ(chardev.written, std::string("\x02\x03", 2));
  EXPECT_EQ(chardev.Feed("ab"), 2U);
  EXPECT_TRUE(got_.empty());
  EXPECT_EQ(chardev.Feed("cd"), 1U);  // no more than it asked for
  EXPECT_EQ(got_, (std::vector<std::string>{"abc"}));
  EXPECT_EQ(chardev.written, std::string("\x02\x03\x02\xff", 4));
}

TEST_F(RngSources, EgdAsksAgainOnANewConnection) {
  FakeChardev chardev;
  const auto source = ConnectRngEgd(loop_, &chardev).value();
  const auto request = source->Ask(2, Keep());
  loop_.RunPosted();
  chardev.Feed("a");
  chardev.Send(ChardevEvent::kClosed);
  chardev.Send(ChardevEvent::kOpened);
  loop_.RunPosted();
  EXPECT_EQ(chardev.written, std::string("\x02\x02\x02\x02", 4));
  chardev.Feed("xy");
  EXPECT_EQ(got_, (std::vector<std::string>{"xy"}));
}

TEST_F(RngSources, EgdTakesNoDeviceInUseAndLeavesItsOwn) {
  FakeChardev chardev;
  auto source = ConnectRngEgd(loop_, &chardev).value();
  const auto other = ConnectRngEgd(loop_, &chardev);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().message, "Device 'fake0' is in use");
  source.reset();
  EXPECT_FALSE(chardev.frontend_open());
}

}  // namespace
}  // namespace davit::backend
