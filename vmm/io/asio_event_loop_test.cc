// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of AsioEventLoop and IoThread on real descriptors.
#include "vmm/io/asio_event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <future>

#include "vmm/base/unique_fd.h"
#include "vmm/io/io_thread.h"

namespace davit::io {
namespace {

using std::chrono::milliseconds;

struct Pipe {
  Pipe() {
    int fds[2];
    EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
    read.reset(fds[0]);
    write.reset(fds[1]);
  }
  UniqueFd read, write;
};

class AsioEventLoopTest : public testing::Test {
 protected:
  AsioEventLoop loop_;
};

TEST_F(AsioEventLoopTest, PostedWorkRunsInOrderAndStopEndsRun) {
  std::string order;
  loop_.Post([&] { order += 'a'; });
  loop_.Post([&] { order += 'b'; });
  loop_.Stop();
  loop_.Run();
  EXPECT_EQ(order, "ab");
}

TEST_F(AsioEventLoopTest, ReadableWatchIsLevelTriggered) {
  Pipe pipe;
  ASSERT_EQ(write(pipe.write.get(), "xyz", 3), 3);
  std::string got;
  auto watch = loop_.WatchReadable(pipe.read.get(), [&] {
    char c = 0;
    ASSERT_EQ(read(pipe.read.get(), &c, 1), 1);
    got += c;
    if (got.size() == 3) loop_.Stop();
  });
  ASSERT_TRUE(watch);
  loop_.Run();
  EXPECT_EQ(got, "xyz");
}

TEST_F(AsioEventLoopTest, WatchingDoesNotChangeTheFileFlags) {
  Pipe pipe;
  auto watch = loop_.WatchReadable(pipe.read.get(), [] {});
  loop_.RunOne(milliseconds(0));
  EXPECT_EQ(fcntl(pipe.read.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(AsioEventLoopTest, ReadAndWriteWatchesOfOneDescriptorAreIndependent) {
  UniqueFd fd(eventfd(0, EFD_CLOEXEC));
  int readable = 0, writable = 0;
  auto read_watch = loop_.WatchReadable(fd.get(), [&] { ++readable; });
  auto write_watch = loop_.WatchWritable(fd.get(), [&] { ++writable; });
  ASSERT_TRUE(loop_.RunOne(milliseconds(1000)));
  EXPECT_EQ(readable, 0);
  EXPECT_EQ(writable, 1);
  write_watch->reset();
  eventfd_write(fd.get(), 1);
  while (readable == 0) ASSERT_TRUE(loop_.RunOne(milliseconds(1000)));
  EXPECT_EQ(writable, 1);
}

TEST_F(AsioEventLoopTest, HandleDestroyedInItsOwnCallbackStopsTheWatch) {
  UniqueFd fd(eventfd(1, EFD_CLOEXEC));
  int calls = 0;
  std::unique_ptr<Registration> watch;
  auto result = loop_.WatchReadable(fd.get(), [&] {
    ++calls;
    watch.reset();
  });
  watch = std::move(*result);
  ASSERT_TRUE(loop_.RunOne(milliseconds(1000)));
  while (loop_.RunOne(milliseconds(0))) {
  }
  EXPECT_EQ(calls, 1);
}

TEST_F(AsioEventLoopTest, ClosedPeerWakesTheReader) {
  Pipe pipe;
  bool called = false;
  auto watch = loop_.WatchReadable(pipe.read.get(), [&] { called = true; });
  pipe.write.reset();
  loop_.RunOne(milliseconds(1000));
  EXPECT_TRUE(called);
}

TEST_F(AsioEventLoopTest, RegularFilesAreAlwaysReadable) {
  UniqueFd fd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  int calls = 0;
  auto watch = loop_.WatchReadable(fd.get(), [&] {
    if (++calls == 3) loop_.Stop();
  });
  ASSERT_TRUE(watch);
  loop_.Run();
  EXPECT_EQ(calls, 3);
}

TEST_F(AsioEventLoopTest, WatchOfAClosedDescriptorIsAnError) {
  auto watch = loop_.WatchReadable(-1, [] {});
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().message, "cannot watch descriptor -1: Bad file descriptor");
}

TEST_F(AsioEventLoopTest, TimersFireInOrderOfDeadline) {
  std::string order;
  const auto now = loop_.Now();
  auto late = loop_.At(now + milliseconds(2), [&] {
    order += 'b';
    loop_.Stop();
  });
  auto early = loop_.At(now + milliseconds(1), [&] { order += 'a'; });
  auto cancelled = loop_.At(now + milliseconds(1), [&] { order += 'x'; });
  cancelled.reset();
  loop_.Run();
  EXPECT_EQ(order, "ab");
}

TEST_F(AsioEventLoopTest, TimerCancelledByAnEarlierCallbackOfTheSameInstantDoesNotFire) {
  const auto past = loop_.Now() - milliseconds(5);
  std::unique_ptr<Registration> second;
  bool fired = false;
  auto first = loop_.At(past - milliseconds(1), [&] { second.reset(); });
  second = loop_.At(past, [&] { fired = true; });
  loop_.Stop();
  loop_.Run();
  loop_.RunOne(milliseconds(1));
  EXPECT_FALSE(fired);
}

TEST(AsioEventLoopLifetimeTest, RegistrationsMayOutliveTheLoop) {
  Pipe pipe;
  auto loop = std::make_unique<AsioEventLoop>();
  auto watch = loop->WatchReadable(pipe.read.get(), [] {});
  auto timer = loop->At(loop->Now() + milliseconds(1), [] {});
  loop.reset();
  watch->reset();
  timer.reset();
  EXPECT_TRUE(pipe.read);
}

TEST(IoThreadTest, RunsWorkOnItsNamedThread) {
  auto made = IoThread::Create("IO iothread0-long-name");
  ASSERT_TRUE(made) << made.error();
  IoThread& thread = **made;
  std::promise<std::pair<pid_t, std::string>> where;
  thread.loop().Post([&] {
    std::string name;
    std::ifstream comm("/proc/thread-self/comm");
    std::getline(comm, name);
    where.set_value({gettid(), name});
  });
  const auto [tid, name] = where.get_future().get();
  EXPECT_EQ(tid, thread.thread_id());
  EXPECT_NE(tid, getpid());
  EXPECT_EQ(name, "IO iothread0-lo");
}

TEST(IoThreadTest, DestructorRunsWhatIsPosted) {
  bool ran = false;
  {
    auto made = IoThread::Create("io");
    ASSERT_TRUE(made) << made.error();
    IoThread& thread = **made;
    thread.loop().Post([&] { ran = true; });
  }
  EXPECT_TRUE(ran);
}

// Whichever of its descriptors is the one too many.
TEST(IoThreadTest, WithoutDescriptorsItIsAnErrorThatLeavesNothingBehind) {
  { ASSERT_TRUE(IoThread::Create("io")); }
  const int lowest_free = UniqueFd(dup(0)).get();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  bool made = false;
  for (rlim_t room = 0; room < 16 && !made; ++room) {
    const rlimit limit{static_cast<rlim_t>(lowest_free) + room, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    {
      auto thread = IoThread::Create("io");
      made = thread.has_value();
      EXPECT_EQ(made ? "" : thread.error().message,
                made ? "" : "cannot create thread 'io': Too many open files");
    }
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(UniqueFd(dup(0)).get(), lowest_free) << "with room for " << room;
  }
  EXPECT_TRUE(made);
}

}  // namespace
}  // namespace davit::io
