// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Whose file a socket's is.
#include "vmm/base/socket_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <utility>

namespace davit {
namespace {

class SocketFileTest : public ::testing::Test {
 protected:
  SocketFileTest() : path_(::testing::TempDir() + "socket_file." + std::to_string(getpid())) {
    Make();
  }
  ~SocketFileTest() override { std::filesystem::remove(path_); }
  void Make() const { std::ofstream(path_) << "x"; }
  bool Exists() const { return std::filesystem::exists(path_); }
  const std::string path_;
};

TEST_F(SocketFileTest, GoesWithItsOwner) {
  {
    SocketFile file(path_);
    EXPECT_TRUE(Exists());
  }
  EXPECT_FALSE(Exists());
}

TEST_F(SocketFileTest, OwnerMoves) {
  SocketFile file(path_);
  {
    SocketFile other(std::move(file));
    EXPECT_TRUE(Exists());
    file = std::move(other);
  }
  EXPECT_TRUE(Exists());
  file = SocketFile();
  EXPECT_FALSE(Exists());
}

TEST_F(SocketFileTest, AnotherFileInItsPlaceStays) {
  SocketFile file(path_);
  std::filesystem::rename(path_, path_ + ".old");  // keeps the inode from being used again
  Make();
  file = SocketFile();
  EXPECT_TRUE(Exists());
  std::filesystem::remove(path_ + ".old");
}

TEST_F(SocketFileTest, NoFileIsNobodys) {
  std::filesystem::remove(path_);
  SocketFile file(path_);
  Make();
  file = SocketFile();
  EXPECT_TRUE(Exists());
}

}  // namespace
}  // namespace davit
