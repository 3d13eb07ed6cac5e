// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests that fail on the host: told, ignored, or kept until the VM goes on, with no byte lost;
// and an image whose writer is killed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "vmm/base/units.h"
#include "vmm/virtio/block/test_support.h"

namespace davit::virtio::block {
namespace {

using backend::ErrorAction;
using backend::ErrorPolicy;
using backend::FileSizeLimit;

class Errors : public ::testing::Test, public BlockRig {
 protected:
  void SetUp() override {
    graph.SetErrorSink([this](const backend::BlockIoError& error) { seen.push_back(error); });
  }
  std::vector<backend::BlockIoError> seen;
};

TEST_F(Errors, ReportedToTheDriver) {
  attach.werror = ErrorPolicy::kReport;
  Open();
  {
    const FileSizeLimit limit(4096);
    EXPECT_EQ(Write(8, std::string(512, 'e')), kStatusIoError);
  }
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].action, ErrorAction::kReport);
  EXPECT_FALSE(seen[0].read);
  EXPECT_EQ(seen[0].node_name, "f0");
  EXPECT_EQ(seen[0].reason, "File too large");
  EXPECT_EQ(back_end->stats()[backend::BlockCount::kWrite].failed, 1u);
}

TEST_F(Errors, Ignored) {
  attach.werror = ErrorPolicy::kIgnore;
  Open();
  const FileSizeLimit limit(4096);
  EXPECT_EQ(Write(8, std::string(512, 'e')), kStatusOk);
  EXPECT_EQ(seen.at(0).action, ErrorAction::kIgnore);
}

TEST_F(Errors, KeptAndTriedAgainWhenTheVmGoesOn) {
  attach.werror = ErrorPolicy::kStop;
  Open();
  {
    const FileSizeLimit limit(4096);
    AddWrite(8, std::string(512, 'a'));
    AddWrite(0, std::string(512, 'b'));
    AddWrite(9, std::string(512, 'c'));
    EXPECT_EQ(Serve().size(), 1u);  // the one that fits
    EXPECT_EQ(seen.size(), 2u);
    EXPECT_EQ(back_end->io_status(), backend::IoStatus::kFailed);
    // A kick before the VM stands still does not try again.
    queue().Kick();
    EXPECT_EQ(seen.size(), 2u);
    driver->frontend().OnRunning(false);
    // Still no room: kept again.
    driver->frontend().OnRunning(true);
    driver->loop().RunPosted();
    Drain();
    EXPECT_EQ(seen.size(), 4u);
    EXPECT_TRUE(queue().CollectUsed().empty());
    driver->frontend().OnRunning(false);
  }
  driver->frontend().OnRunning(true);
  driver->loop().RunPosted();
  Drain();
  const auto used = queue().CollectUsed();
  ASSERT_EQ(used.size(), 2u);
  for (const auto& one : used) EXPECT_EQ(one.bytes.back(), kStatusOk);
  EXPECT_EQ(backend::ReadFile(path).substr(4096, 1024),
            std::string(512, 'a') + std::string(512, 'c'));
}

TEST_F(Errors, AReadIsKeptAndTriedAgain) {
  node.aio = backend::AioMode::kThreads;
  attach.rerror = ErrorPolicy::kStop;
  attach.werror = ErrorPolicy::kIgnore;
  Open();
  EXPECT_EQ(Write(8, std::string(512, 'r')), kStatusOk);
  opener.SetBlind(true);
  AddRead(8, 512);
  EXPECT_TRUE(Serve().empty());
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_TRUE(seen[0].read);
  EXPECT_EQ(seen[0].action, ErrorAction::kStop);
  EXPECT_EQ(seen[0].reason, "Bad file descriptor");
  EXPECT_EQ(back_end->io_status(), backend::IoStatus::kFailed);
  driver->frontend().OnRunning(false);
  opener.SetBlind(false);
  driver->frontend().OnRunning(true);
  driver->loop().RunPosted();
  Drain();
  const auto used = queue().CollectUsed();
  ASSERT_EQ(used.size(), 1u);
  EXPECT_EQ(used[0].bytes.back(), kStatusOk);
  EXPECT_EQ(used[0].text().substr(0, 512), std::string(512, 'r'));
}

TEST_F(Errors, ReadsHaveAPolicyOfTheirOwn) {
  node.aio = backend::AioMode::kThreads;
  attach.rerror = ErrorPolicy::kReport;
  attach.werror = ErrorPolicy::kStop;
  Open();
  opener.SetBlind(true);
  AddRead(8, 512);
  EXPECT_EQ(RunOne(), kStatusIoError);
  EXPECT_EQ(seen.at(0).action, ErrorAction::kReport);
}

TEST_F(Errors, AReadThatFailsCanBeIgnored) {
  node.aio = backend::AioMode::kThreads;
  attach.rerror = ErrorPolicy::kIgnore;
  Open();
  opener.SetBlind(true);
  AddRead(8, 512);
  EXPECT_EQ(RunOne(), kStatusOk);
  EXPECT_EQ(seen.at(0).action, ErrorAction::kIgnore);
}

TEST_F(Errors, KeptRequestStaysInsideADiskThatHasShrunk) {
  attach.werror = ErrorPolicy::kStop;
  Open();
  {
    const FileSizeLimit limit(4096);
    AddWrite(1024, std::string(512, 'a'));
    AddWrite(1023, std::string(512, 'b'));
    EXPECT_EQ(Serve().size(), 0u);
  }
  driver->frontend().OnRunning(false);
  ASSERT_TRUE(graph.Resize(*back_end->node(), 512 * 1024));
  driver->frontend().OnRunning(true);
  driver->loop().RunPosted();
  Drain();
  const auto used = queue().CollectUsed();
  ASSERT_EQ(used.size(), 2u);
  EXPECT_EQ(used[0].bytes.back(), kStatusIoError);
  EXPECT_EQ(used[1].bytes.back(), kStatusOk);
  const std::string image = backend::ReadFile(path);
  EXPECT_EQ(image.size(), 512u * 1024);
  EXPECT_EQ(image.back(), 'b');
}

TEST_F(Errors, AWriteHeldByALimitEndsBeforeTheDiskShrinks) {
  attach.werror = ErrorPolicy::kReport;
  Open();
  backend::ThrottleConfig limits;
  limits.bps.average = 512;
  ASSERT_TRUE(graph.SetThrottle(*back_end, "", limits));
  EXPECT_EQ(Write(0, std::string(512, 'a')), kStatusOk);
  AddWrite(1024, std::string(512, 'b'));
  queue().Kick();  // the limit holds it up
  ASSERT_TRUE(graph.Resize(*back_end->node(), 512 * 1024));
  Drain();
  const auto used = queue().CollectUsed();
  ASSERT_EQ(used.size(), 1u);
  EXPECT_EQ(used[0].bytes.back(), kStatusOk);
  EXPECT_EQ(backend::ReadFile(path).size(), 512u * 1024);
  EXPECT_EQ(Write(1024, std::string(512, 'c')), kStatusIoError);
}

TEST_F(Errors, KeptRequestsGoAtReset) {
  attach.werror = ErrorPolicy::kStop;
  Open();
  {
    const FileSizeLimit limit(4096);
    AddWrite(8, std::string(512, 'a'));
    EXPECT_EQ(Serve().size(), 0u);
  }
  driver->frontend().Quiesce();
  EXPECT_EQ(driver->status(), 0);
  driver->frontend().OnRunning(false);
  driver->frontend().OnRunning(true);
  driver->loop().RunPosted();
  Drain();
  EXPECT_EQ(backend::ReadFile(path).substr(4096, 512), std::string(512, '\0'));
}

TEST_F(Errors, KeptRequestsGoWithTheirQueue) {
  attach.werror = ErrorPolicy::kStop;
  Open();
  {
    const FileSizeLimit limit(4096);
    AddWrite(8, std::string(512, 'a'));
    EXPECT_EQ(Serve().size(), 0u);
  }
  driver->frontend().ResetQueue(0);
  EXPECT_FALSE(driver->frontend().queue_resetting(0));
  driver->SetUpQueue(0);
  EXPECT_EQ(Write(0, std::string(512, 'z')), kStatusOk);
}

TEST_F(Errors, RequestThatFailsAfterTheResetOfItsQueueIsNotKept) {
  attach.werror = ErrorPolicy::kStop;
  Open();
  backend::ThrottleConfig limits;
  limits.bps.average = 512;
  ASSERT_TRUE(graph.SetThrottle(*back_end, "", limits));
  EXPECT_EQ(Write(0, std::string(512, 'a')), kStatusOk);
  AddWrite(8, std::string(512, 'b'));
  queue().Kick();  // the limit holds it up
  driver->frontend().ResetQueue(0);
  EXPECT_TRUE(driver->frontend().queue_resetting(0));
  {
    const FileSizeLimit limit(4096);
    Drain();
  }
  EXPECT_FALSE(driver->frontend().queue_resetting(0));
  EXPECT_TRUE(seen.empty());
  driver->SetUpQueue(0);
  EXPECT_EQ(Write(0, std::string(512, 'z')), kStatusOk);
}

TEST_F(Errors, ADeviceThatGoesWithKeptRequests) {
  attach.werror = ErrorPolicy::kStop;
  Open();
  const FileSizeLimit limit(4096);
  AddWrite(8, std::string(512, 'a'));
  EXPECT_EQ(Serve().size(), 0u);
  driver.reset();
  EXPECT_TRUE(graph.Disks().empty());
}

// A file system with little room, seen by this process alone.
bool MountSmall(const std::string& at, const char* size) {
  return unshare(CLONE_NEWNS) == 0 &&
         mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", at.c_str(), "tmpfs", 0, size) == 0;
}

TEST_F(Errors, FullFileSystemPausesAndRoomLosesNothing) {
  const backend::TempDir small;
  if (!MountSmall(small / "", "size=256k")) GTEST_SKIP() << "no right to mount: " << errno;
  node.filename = small.Image("a.img", kDiskBytes);
  Open();  // werror is enospc when nothing is said
  std::string all;
  for (int i = 0; i < 64; ++i) {
    const std::string data(8192, static_cast<char>('!' + i % 90));
    all += data;
    AddWrite(static_cast<uint64_t>(i) * 16, data);
    if (i % 16 != 15) continue;
    queue().Kick();
    Drain();
  }
  size_t done = queue().CollectUsed().size();
  ASSERT_LT(done, 64u);
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen[0].action, ErrorAction::kStop);
  EXPECT_TRUE(seen[0].nospace);
  EXPECT_EQ(back_end->io_status(), backend::IoStatus::kNoSpace);
  driver->frontend().OnRunning(false);
  ASSERT_EQ(mount("none", (small / "").c_str(), nullptr, MS_REMOUNT, "size=8m"), 0);
  driver->frontend().OnRunning(true);
  driver->loop().RunPosted();
  Drain();
  for (const auto& one : queue().CollectUsed()) {
    EXPECT_EQ(one.bytes.back(), kStatusOk);
    ++done;
  }
  EXPECT_EQ(done, 64u);
  EXPECT_TRUE(backend::ReadFile(node.filename).substr(0, all.size()) == all);
  driver.reset();
  umount2((small / "").c_str(), MNT_DETACH);
}

// The killed writer's image holds at least what it had flushed, each block whole.
TEST_F(Errors, KilledWriterLeavesWhatItFlushed) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(fds[0]);
    io::AsioEventLoop loop;
    if (!graph.AddNode(node)) _exit(1);
    auto disk = graph.Attach("f0", attach);
    if (!disk) _exit(1);
    backend::DiskUser user(loop, std::move(*disk));
    for (uint32_t i = 1;; ++i) {
      const std::string data(4096, static_cast<char>(i));
      for (uint64_t block = 0; block < 4; ++block) {
        if (user.Write(block * 4096, data) != 0) _exit(2);
      }
      if (user.Flush() != 0) _exit(3);
      if (write(fds[1], &i, sizeof(i)) != sizeof(i)) _exit(4);
    }
  }
  close(fds[1]);
  uint32_t flushed = 0;
  while (flushed < 20 && read(fds[0], &flushed, sizeof(flushed)) == sizeof(flushed)) {
  }
  kill(child, SIGKILL);
  for (uint32_t more; read(fds[0], &more, sizeof(more)) == sizeof(more);) flushed = more;
  close(fds[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  const std::string image = backend::ReadFile(path);
  for (uint64_t block = 0; block < 4; ++block) {
    const std::string data = image.substr(block * 4096, 4096);
    EXPECT_EQ(data, std::string(4096, data[0]));
    EXPECT_TRUE(data[0] == static_cast<char>(flushed) || data[0] == static_cast<char>(flushed + 1));
  }
  // And the locks go with the process: when its last request is done, which with io_uring can be
  // after waitpid() (the kernel takes the ring apart in the background). So wait for them.
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  struct flock all {};
  all.l_type = F_WRLCK;
  all.l_whence = SEEK_SET;
  EXPECT_EQ(fcntl(fd, F_OFD_SETLKW, &all), 0);
  close(fd);
  Open();
}

}  // namespace
}  // namespace davit::virtio::block
