// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What goes into the log of a character device, in files and in pipes that nobody reads.
#include "vmm/backend/char/output_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "vmm/backend/char/registry.h"
#include "vmm/io/asio_event_loop.h"

namespace davit::backend {
namespace {

constexpr size_t kPipeSize = 65536;

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

class OutputLogTest : public testing::Test {
 protected:
  OutputLogTest() {
    const char* dir = std::getenv("TEST_TMPDIR");
    path_ = std::string(dir != nullptr ? dir : "/tmp") + "/log";
    std::remove(path_.c_str());
  }
  ~OutputLogTest() override { std::remove(path_.c_str()); }

  Chardev* Make(ChardevSpec spec) {
    spec.id = "c";
    spec.logfile = path_;
    auto made = registry_.Create(spec);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *made : nullptr;
  }
  std::string Content() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // A FIFO in the place of the log, with us as its reader.
  void MakePipe() {
    ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
    pipe_ = UniqueFd(open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
    ASSERT_TRUE(pipe_);
    ASSERT_EQ(fcntl(pipe_.get(), F_SETPIPE_SZ, kPipeSize), static_cast<int>(kPipeSize));
  }
  std::string Drain() {
    std::string all(4 * OutputLog::kMaxBacklog, '\0');
    const ssize_t n = read(pipe_.get(), all.data(), all.size());
    all.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return all;
  }
  // Reads the pipe while the loop writes to it, until `size` bytes have come.
  std::string Drain(size_t size) {
    std::string all;
    auto watch = loop_.WatchReadable(pipe_.get(), [&] {
      all += Drain();
      if (all.size() >= size) loop_.Stop();
    });
    EXPECT_TRUE(watch);
    loop_.Run();
    return all;
  }

  std::string path_;
  UniqueFd pipe_;
  io::AsioEventLoop loop_;
  ChardevRegistry registry_{loop_};
};

TEST_F(OutputLogTest, HoldsWhatTheBackEndHasTaken) {
  std::ofstream(path_) << "old";
  Chardev* const chardev = Make({{}, NullSpec{}});
  ASSERT_NE(chardev, nullptr);
  EXPECT_EQ(Content(), "");
  EXPECT_EQ(chardev->Write(Bytes("abc")), 3u);
  EXPECT_EQ(chardev->Write(Bytes("def")), 3u);
  EXPECT_EQ(Content(), "abcdef");
}

TEST_F(OutputLogTest, IsAddedToWhenAskedTo) {
  std::ofstream(path_) << "old";
  ChardevSpec spec{{}, RingbufSpec{}};
  spec.logappend = true;
  Chardev* const chardev = Make(spec);
  ASSERT_NE(chardev, nullptr);
  EXPECT_EQ(chardev->Write(Bytes("new")), 3u);
  EXPECT_EQ(Content(), "oldnew");
}

// A pty that nobody reads is full at some point.
TEST_F(OutputLogTest, HasNoByteThatTheBackEndHasRefused) {
  Chardev* const chardev = Make({{}, PtySpec{}});
  ASSERT_NE(chardev, nullptr);
  const std::string pty = chardev->filename().substr(4);
  const UniqueFd reader(open(pty.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader);
  const std::string text(256 * 1024, 'x');
  const size_t taken = chardev->Write(Bytes(text));
  EXPECT_EQ(Content().size(), taken);
}

TEST_F(OutputLogTest, SlowReaderGetsAllByAndBy) {
  MakePipe();
  Chardev* const chardev = Make({{}, NullSpec{}});
  ASSERT_NE(chardev, nullptr);
  std::string sent;
  for (char c = 'a'; c < 'g'; ++c) {
    const std::string piece(40'000, c);
    EXPECT_EQ(chardev->Write(Bytes(piece)), piece.size());
    sent += piece;
  }
  EXPECT_EQ(Drain(sent.size()), sent);
  // And is followed directly again.
  EXPECT_EQ(chardev->Write(Bytes("end")), 3u);
  EXPECT_EQ(Drain(), "end");
}

TEST_F(OutputLogTest, WhatDoesNotFitTheBacklogIsLostAndNobodyWaits) {
  MakePipe();
  Chardev* const chardev = Make({{}, NullSpec{}});
  ASSERT_NE(chardev, nullptr);
  const std::string first(kPipeSize, 'a'), second(OutputLog::kMaxBacklog, 'b');
  EXPECT_EQ(chardev->Write(Bytes(first)), first.size());
  EXPECT_EQ(chardev->Write(Bytes(second)), second.size());
  EXPECT_EQ(chardev->Write(Bytes("lost")), 4u);
  EXPECT_EQ(Drain(first.size() + second.size()), first + second);
  EXPECT_EQ(Drain(), "");
}

TEST_F(OutputLogTest, AFileThatCannotBeMadeFailsTheDevice) {
  ChardevSpec spec{"c", NullSpec{}};
  spec.logfile = "/nonexistent/log";
  const auto made = registry_.Create(spec);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message, "Could not create '/nonexistent/log': No such file or directory");
  EXPECT_EQ(registry_.Find("c"), nullptr);
}

}  // namespace
}  // namespace davit::backend
