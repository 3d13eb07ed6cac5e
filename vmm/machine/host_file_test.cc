// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Files of the host that come in pieces, and late.
#include "vmm/machine/host_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "vmm/base/unique_fd.h"

namespace davit::machine {
namespace {

// Its writer opens it once there is a reader.
TEST(HostFileTest, TheWriterOfAFifoIsWaitedFor) {
  const std::string path = ::testing::TempDir() + "/host_file_fifo";
  unlink(path.c_str());
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::jthread writer([&path] {
    const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    for (const char byte : {'a', 'b', 'c'}) EXPECT_EQ(write(fd.get(), &byte, 1), 1);
  });
  const auto data = ReadHostFile(path, 100);
  ASSERT_TRUE(data) << data.error();
  EXPECT_EQ(*data, (std::vector<std::byte>{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}}));
}

TEST(HostFileTest, AFileThatIsNoneOrTooLarge) {
  EXPECT_EQ(ReadHostFile("/nonexistent", 100).error().message, "No such file or directory");
  EXPECT_EQ(ReadHostFile(::testing::TempDir(), 100).error().message, "Is a directory");
  EXPECT_EQ(ReadHostFile("/dev/zero", 100).error().message, "File too large");
}

}  // namespace
}  // namespace davit::machine
