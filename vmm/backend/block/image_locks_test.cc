// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Two users of an image exclude each other: two of ours as two processes would be (each opens the
// file), and ours beside QEMU where it is installed.
#include "vmm/backend/block/image_locks.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <functional>

#include "vmm/backend/block/graph.h"
#include "vmm/backend/block/test_support.h"

namespace davit::backend {
namespace {

class Locks : public ::testing::Test {
 protected:
  Result<std::shared_ptr<BlockBackend>> Take(BlockGraph& graph, bool read_only = false,
                                             bool share_rw = false) {
    BlockNodeSpec spec = FileSpec("f0", path_);
    spec.read_only = read_only;
    const Status added = graph.AddNode(spec);
    if (!added) return Fail(added.error());
    return graph.Attach("f0", {.qdev = "/machine/d0", .share_rw = share_rw});
  }

  TempDir dir_;
  std::string path_ = dir_.Image("a.img", 1 << 20);
  PathOpener opener_;
  BlockGraph first_{opener_}, second_{opener_};
};

TEST_F(Locks, SecondWriterIsRefused) {
  auto first = Take(first_);
  ASSERT_TRUE(first);
  auto second = Take(second_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "Failed to get \"write\" lock");
  EXPECT_EQ(second.error().where, "Is another process using the image [" + path_ + "]?");
}

TEST_F(Locks, ReaderBesideAWriterIsRefused) {
  auto first = Take(first_);
  ASSERT_TRUE(first);
  auto second = Take(second_, true);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message, "Failed to get shared \"write\" lock");
}

TEST_F(Locks, ReadersShare) {
  auto first = Take(first_, true);
  auto second = Take(second_, true);
  EXPECT_TRUE(first && second);
}

TEST_F(Locks, WritersThatBothSayShareRwShare) {
  auto first = Take(first_, false, true);
  auto second = Take(second_, false, true);
  EXPECT_TRUE(first && second);
}

TEST_F(Locks, ReleasedWhenTheDeviceGoes) {
  { auto first = Take(first_); }
  EXPECT_TRUE(Take(second_));
}

TEST_F(Locks, ARefusedOneLeavesNoLock) {
  {
    auto first = Take(first_);
    EXPECT_FALSE(Take(second_));
  }
  BlockGraph third(opener_);
  EXPECT_TRUE(Take(third));
}

TEST_F(Locks, LockingOffTakesNone) {
  auto first = Take(first_);
  BlockNodeSpec spec = FileSpec("f0", path_);
  spec.locking = ImageLocking::kOff;
  ASSERT_TRUE(second_.AddNode(spec));
  EXPECT_TRUE(second_.Attach("f0", {.qdev = "d"}));
}

// Takes no user; steals what is not locked when one comes.
class Thief final : public BlockNode {
 public:
  explicit Thief(std::function<void()> steal) : BlockNode({}, "t0", false), steal_(steal) {}
  uint64_t length() const override { return 0; }
  std::string filename() const override { return ""; }
  uint64_t actual_size() const override { return 0; }
  BlockTarget Target() override { return {}; }
  Status Resize(uint64_t) override { return {}; }
  bool has_dirty_flag() const override { return false; }

 private:
  Status ApplyPermissions(BlockPermissions, BlockPermissions) override {
    steal_();
    return Fail("no users");
  }
  const std::function<void()> steal_;
};

TEST_F(Locks, AMediumThatAnotherTookDuringAFailedChangeIsOut) {
  auto disk = Take(first_);
  ASSERT_TRUE(disk);
  ASSERT_TRUE(second_.AddNode(FileSpec("f0", path_)));
  std::shared_ptr<BlockBackend> stolen;
  const auto thief = std::make_shared<Thief>([&] {
    if (auto taken = second_.Attach("f0", {.qdev = "d1"})) stolen = std::move(*taken);
  });
  bool told = false;
  EXPECT_EQ(MessageOf((*disk)->ChangeMedium(thief, [&] { told = true; })),
            "no users; the medium before is out, too: Failed to get \"write\" lock");
  EXPECT_TRUE(stolen != nullptr && told);
  EXPECT_EQ((*disk)->node(), nullptr);
}

TEST_F(Locks, AnotherMediumOfTheSameImageGoesIn) {
  auto disk = Take(first_);
  ASSERT_TRUE(disk);
  ASSERT_TRUE(first_.AddNode(FileSpec("f1", path_)));
  EXPECT_TRUE((*disk)->ChangeMedium(first_.FindNode("f1")));
  EXPECT_FALSE(Take(second_));
}

bool HaveQemu() { return std::system("command -v qemu-system-x86_64 >/dev/null") == 0; }

TEST_F(Locks, QemuIsKeptOut) {
  if (!HaveQemu()) GTEST_SKIP() << "qemu-system-x86_64 is not installed";
  auto first = Take(first_);
  ASSERT_TRUE(first);
  const std::string command =
      "echo | timeout 20 qemu-system-x86_64 -M q35 -nodefaults -display none -S -drive "
      "if=virtio,format=raw,file=" +
      path_ + " 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  char text[512] = {};
  EXPECT_GT(fread(text, 1, sizeof(text) - 1, pipe), 0u);
  EXPECT_NE(pclose(pipe), 0);
  EXPECT_NE(std::string(text).find("Failed to get \"write\" lock"), std::string::npos) << text;
}

TEST_F(Locks, KeptOutByQemu) {
  if (!HaveQemu()) GTEST_SKIP() << "qemu-system-x86_64 is not installed";
  const std::string pidfile = dir_ / "pid";
  const std::string command =
      "timeout 20 qemu-system-x86_64 -M q35 -nodefaults -display none -S -daemonize -pidfile " +
      pidfile + " -drive if=virtio,format=raw,file=" + path_;
  ASSERT_EQ(std::system(command.c_str()), 0);
  auto first = Take(first_);
  std::ifstream in(pidfile);
  int pid = 0;
  in >> pid;
  ASSERT_GT(pid, 0);
  kill(pid, SIGKILL);
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().message, "Failed to get \"write\" lock");
}

}  // namespace
}  // namespace davit::backend
