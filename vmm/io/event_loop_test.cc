// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What every EventLoop promises, on real descriptors.
#include "vmm/io/event_loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>

#include "vmm/base/unique_fd.h"
#include "vmm/io/asio_event_loop.h"
#include "vmm/io/epoll_event_loop.h"

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

template <typename Loop>
class EventLoopTest : public testing::Test {
 protected:
  Loop loop_;
};

class LoopName {
 public:
  template <typename Loop>
  static std::string GetName(int) {
    return std::is_same_v<Loop, AsioEventLoop> ? "Asio" : "Epoll";
  }
};
using Loops = testing::Types<AsioEventLoop, EpollEventLoop>;
TYPED_TEST_SUITE(EventLoopTest, Loops, LoopName);

TYPED_TEST(EventLoopTest, PostedWorkRunsInOrderAndStopEndsRun) {
  auto& loop = this->loop_;
  std::string order;
  loop.Post([&] { order += 'a'; });
  loop.Post([&] { order += 'b'; });
  loop.Stop();
  loop.Run();
  EXPECT_EQ(order, "ab");
}

TYPED_TEST(EventLoopTest, ReadableWatchIsLevelTriggered) {
  auto& loop = this->loop_;
  Pipe pipe;
  ASSERT_EQ(write(pipe.write.get(), "xyz", 3), 3);
  std::string got;
  auto watch = loop.WatchReadable(pipe.read.get(), [&] {
    char c = 0;
    ASSERT_EQ(read(pipe.read.get(), &c, 1), 1);
    got += c;
    if (got.size() == 3) loop.Stop();
  });
  ASSERT_TRUE(watch);
  loop.Run();
  EXPECT_EQ(got, "xyz");
}

TYPED_TEST(EventLoopTest, WatchingDoesNotChangeTheFileFlags) {
  auto& loop = this->loop_;
  Pipe pipe;
  auto watch = loop.WatchReadable(pipe.read.get(), [] {});
  loop.RunOne(milliseconds(0));
  EXPECT_EQ(fcntl(pipe.read.get(), F_GETFL) & O_NONBLOCK, 0);
}

TYPED_TEST(EventLoopTest, ReadAndWriteWatchesOfOneDescriptorAreIndependent) {
  auto& loop = this->loop_;
  UniqueFd fd(eventfd(0, EFD_CLOEXEC));
  int readable = 0, writable = 0;
  auto read_watch = loop.WatchReadable(fd.get(), [&] { ++readable; });
  auto write_watch = loop.WatchWritable(fd.get(), [&] { ++writable; });
  ASSERT_TRUE(loop.RunOne(milliseconds(1000)));
  EXPECT_EQ(readable, 0);
  EXPECT_EQ(writable, 1);
  write_watch->reset();
  eventfd_write(fd.get(), 1);
  while (readable == 0) ASSERT_TRUE(loop.RunOne(milliseconds(1000)));
  EXPECT_EQ(writable, 1);
}

TYPED_TEST(EventLoopTest, HandleDestroyedInItsOwnCallbackStopsTheWatch) {
  auto& loop = this->loop_;
  UniqueFd fd(eventfd(1, EFD_CLOEXEC));
  int calls = 0;
  std::unique_ptr<Registration> watch;
  auto result = loop.WatchReadable(fd.get(), [&] {
    ++calls;
    watch.reset();
  });
  watch = std::move(*result);
  ASSERT_TRUE(loop.RunOne(milliseconds(1000)));
  while (loop.RunOne(milliseconds(0))) {
  }
  EXPECT_EQ(calls, 1);
}

TYPED_TEST(EventLoopTest, SignalsAreToldOnceAndEachNewOneAgain) {
  auto& loop = this->loop_;
  UniqueFd fd(eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK));
  int calls = 0;
  auto watch = loop.WatchSignals(fd.get(), [&] { ++calls; });
  ASSERT_TRUE(watch);
  ASSERT_TRUE(loop.RunOne(milliseconds(1000)));
  EXPECT_EQ(calls, 1) << "signalled before it was watched";
  while (loop.RunOne(milliseconds(0))) {
  }
  EXPECT_EQ(calls, 1);
  for (int i = 0; i < 3; ++i) {
    eventfd_write(fd.get(), 1);
    eventfd_write(fd.get(), 1);
    ASSERT_TRUE(loop.RunOne(milliseconds(1000)));
    EXPECT_EQ(calls, i + 2);
  }
}

TYPED_TEST(EventLoopTest, ClosedPeerWakesTheReader) {
  auto& loop = this->loop_;
  Pipe pipe;
  bool called = false;
  auto watch = loop.WatchReadable(pipe.read.get(), [&] { called = true; });
  pipe.write.reset();
  loop.RunOne(milliseconds(1000));
  EXPECT_TRUE(called);
}

TYPED_TEST(EventLoopTest, RegularFilesAreAlwaysReadable) {
  auto& loop = this->loop_;
  UniqueFd fd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  int calls = 0;
  auto watch = loop.WatchReadable(fd.get(), [&] {
    if (++calls == 3) loop.Stop();
  });
  ASSERT_TRUE(watch);
  loop.Run();
  EXPECT_EQ(calls, 3);
}

TYPED_TEST(EventLoopTest, WatchOfAClosedDescriptorIsAnError) {
  auto& loop = this->loop_;
  auto watch = loop.WatchReadable(-1, [] {});
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().message, "cannot watch descriptor -1: Bad file descriptor");
}

TYPED_TEST(EventLoopTest, TimersFireInOrderOfDeadline) {
  auto& loop = this->loop_;
  std::string order;
  const auto now = loop.Now();
  auto late = loop.At(now + milliseconds(2), [&] {
    order += 'b';
    loop.Stop();
  });
  auto early = loop.At(now + milliseconds(1), [&] { order += 'a'; });
  auto cancelled = loop.At(now + milliseconds(1), [&] { order += 'x'; });
  cancelled.reset();
  loop.Run();
  EXPECT_EQ(order, "ab");
}

TYPED_TEST(EventLoopTest, TimerCancelledByAnEarlierCallbackOfTheSameInstantDoesNotFire) {
  auto& loop = this->loop_;
  const auto past = loop.Now() - milliseconds(5);
  std::unique_ptr<Registration> second;
  bool fired = false;
  auto first = loop.At(past - milliseconds(1), [&] { second.reset(); });
  second = loop.At(past, [&] { fired = true; });
  loop.Stop();
  loop.Run();
  loop.RunOne(milliseconds(1));
  EXPECT_FALSE(fired);
}

TYPED_TEST(EventLoopTest, RegistrationsMayOutliveTheLoop) {
  Pipe pipe;
  auto loop = std::make_unique<TypeParam>();
  auto watch = loop->WatchReadable(pipe.read.get(), [] {});
  auto timer = loop->At(loop->Now() + milliseconds(1), [] {});
  loop.reset();
  watch->reset();
  timer.reset();
  EXPECT_TRUE(pipe.read);
}

TYPED_TEST(EventLoopTest, CallbacksThatHoldTheirOwnHandlesDieWithTheLoop) {
  Pipe pipe;
  auto loop = std::make_unique<TypeParam>();
  auto held = std::make_shared<std::unique_ptr<Registration>>();
  std::unique_ptr<Registration> watch =
      *loop->WatchReadable(pipe.read.get(), [held] { held->reset(); });
  *held = loop->At(loop->Now() + std::chrono::hours(1), [] {});
  auto outer = loop->At(loop->Now() + std::chrono::hours(2), [held] { held->reset(); });
  std::weak_ptr<std::unique_ptr<Registration>> alive = held;
  held.reset();
  watch.reset();
  outer.reset();
  loop.reset();
  EXPECT_TRUE(alive.expired());
}

TYPED_TEST(EventLoopTest, WorkPostedByAnotherThreadWakesIt) {
  auto& loop = this->loop_;
  int ran = 0;
  std::thread poster([&] {
    for (int i = 0; i < 1000; ++i) loop.Post([&] { ++ran; });
    loop.Stop();
  });
  loop.Run();
  poster.join();
  EXPECT_EQ(ran, 1000);
}

TYPED_TEST(EventLoopTest, EachOfManyWorksPostedToASleepingLoopRuns) {
  auto& loop = this->loop_;
  UniqueFd answer(eventfd(0, EFD_CLOEXEC));
  std::thread runner([&] { loop.Run(); });
  for (int i = 0; i < 500; ++i) {
    loop.Post([&] { eventfd_write(answer.get(), 1); });
    eventfd_t count = 0;
    ASSERT_EQ(eventfd_read(answer.get(), &count), 0);
  }
  loop.Stop();
  runner.join();
}

TYPED_TEST(EventLoopTest, WorkThatPostsItselfLeavesDescriptorsAndTimersTheirTurn) {
  auto& loop = this->loop_;
  UniqueFd fd(eventfd(1, EFD_CLOEXEC));
  bool read = false, timed = false;
  std::function<void()> again = [&] {
    if (read && timed) return loop.Stop();
    loop.Post(again);
  };
  auto watch = loop.WatchReadable(fd.get(), [&] {
    read = true;
    eventfd_t count;
    eventfd_read(fd.get(), &count);
  });
  auto timer = loop.At(loop.Now(), [&] { timed = true; });
  loop.Post(again);
  loop.Run();
  EXPECT_TRUE(read && timed);
}

// The number of a closed descriptor is given to the next one that is opened.
TYPED_TEST(EventLoopTest, ADescriptorOpenedInACallbackGetsNoEventOfAClosedOne) {
  auto& loop = this->loop_;
  UniqueFd first(eventfd(1, EFD_CLOEXEC)), second(eventfd(1, EFD_CLOEXEC));
  std::unique_ptr<Registration> watch_first, watch_second, watch_new;
  int stale = 0, calls = 0;
  // Whichever is called first puts a silent descriptor in the place of the other.
  const auto replace = [&](UniqueFd& other, std::unique_ptr<Registration>& watch) {
    if (++calls > 1) return;
    const int number = other.get();
    watch.reset();
    other.reset(eventfd(0, EFD_CLOEXEC));
    other.reset(dup3(other.get(), number, O_CLOEXEC));
    watch_new = *loop.WatchReadable(number, [&] { ++stale; });
  };
  watch_first = *loop.WatchReadable(first.get(), [&] { replace(second, watch_second); });
  watch_second = *loop.WatchReadable(second.get(), [&] { replace(first, watch_first); });
  ASSERT_TRUE(loop.RunOne(milliseconds(1000)));
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(stale, 0);
}

TYPED_TEST(EventLoopTest, ATimerThatArmsAnotherInThePastDoesNotHoldTheLoop) {
  auto& loop = this->loop_;
  int fired = 0;
  std::unique_ptr<Registration> timer;
  std::function<void()> arm = [&] {
    ++fired;
    timer = loop.At(loop.Now() - milliseconds(1), arm);
  };
  arm();
  loop.Post([&] { loop.Post([&] { loop.Stop(); }); });
  loop.Run();
  EXPECT_GE(fired, 2);
}

}  // namespace
}  // namespace davit::io
