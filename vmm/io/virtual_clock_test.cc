// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The clock that is stepped by hand: which timers run, when and in which order.
#include "vmm/io/virtual_clock.h"

#include <gtest/gtest.h>

#include <vector>

#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/io/timer.h"

namespace davit::io {
namespace {

using std::chrono::nanoseconds;

class VirtualClockTest : public ::testing::Test {
 protected:
  std::unique_ptr<Registration> AtNs(int64_t ns) {
    return clock_.At(Clock::time_point(nanoseconds(ns)),
                     [this] { ran_.push_back(clock_.now_ns()); });
  }

  FakeEventLoop base_;
  VirtualClockLoop clock_{base_};
  std::vector<int64_t> ran_;  // when the timers ran
};

TEST_F(VirtualClockTest, StartsAtZeroAndStandsStill) {
  EXPECT_EQ(clock_.now_ns(), 0);
  base_.Advance(std::chrono::hours(1));
  EXPECT_EQ(clock_.Now(), Clock::time_point());
}

TEST_F(VirtualClockTest, TimersRunInOrderEachAtItsOwnTime) {
  auto late = AtNs(300), early = AtNs(100), beyond = AtNs(500);
  EXPECT_EQ(clock_.NextDeadline(), 100);
  clock_.AdvanceTo(400);
  EXPECT_EQ(ran_, (std::vector<int64_t>{100, 300}));
  EXPECT_EQ(clock_.now_ns(), 400);
  EXPECT_EQ(clock_.NextDeadline(), 500);
}

TEST_F(VirtualClockTest, CancelledTimerDoesNotRun) {
  auto timer = AtNs(100);
  timer.reset();
  EXPECT_EQ(clock_.NextDeadline(), std::nullopt);
  clock_.AdvanceTo(200);
  EXPECT_TRUE(ran_.empty());
}

TEST_F(VirtualClockTest, TimerCancelledByAnotherOfTheSameTimeDoesNotRun) {
  std::unique_ptr<Registration> second;
  auto first = clock_.At(Clock::time_point(nanoseconds(100)), [&] { second.reset(); });
  second = AtNs(100);
  clock_.AdvanceTo(100);
  EXPECT_TRUE(ran_.empty());
}

TEST_F(VirtualClockTest, TimeDoesNotGoBack) {
  clock_.AdvanceTo(100);
  clock_.AdvanceTo(50);
  EXPECT_EQ(clock_.now_ns(), 100);
}

TEST_F(VirtualClockTest, TimerInThePastRunsFromTheLoop) {
  clock_.AdvanceTo(100);
  auto timer = AtNs(50);
  EXPECT_TRUE(ran_.empty());
  base_.RunPosted();
  EXPECT_EQ(ran_, (std::vector<int64_t>{100}));
}

// io::Timer arms itself by a posted function: a step right after Arm() must see it.
TEST_F(VirtualClockTest, StepSeesATimerThatIsArmedByPostedWork) {
  int fired = 0;
  Timer timer(clock_, [&] { ++fired; });
  timer.Arm(clock_.Now() + nanoseconds(10));
  clock_.AdvanceTo(10);
  EXPECT_EQ(fired, 1);
}

TEST_F(VirtualClockTest, PeriodicTimerRunsEachPeriodOfOneStep) {
  Timer* again = nullptr;
  Timer timer(clock_, [&] {
    ran_.push_back(clock_.now_ns());
    again->Arm(clock_.Now() + nanoseconds(10));
  });
  again = &timer;
  timer.Arm(clock_.Now() + nanoseconds(10));
  clock_.AdvanceTo(35);
  EXPECT_EQ(ran_, (std::vector<int64_t>{10, 20, 30}));
}

TEST_F(VirtualClockTest, PostedWorkRunsOnceWhetherSettledOrByTheLoop) {
  int ran = 0;
  clock_.Post([&] { ++ran; });
  clock_.Settle();
  EXPECT_EQ(ran, 1);
  base_.RunPosted();
  EXPECT_EQ(ran, 1);
  clock_.Post([&] { ++ran; });
  base_.RunPosted();
  EXPECT_EQ(ran, 2);
}

TEST_F(VirtualClockTest, WorkThatPostsItselfDoesNotHoldTheLoop) {
  std::function<void()> forever = [&] { clock_.Post(forever); };
  clock_.Post(forever);
  clock_.Settle();
  SUCCEED();
}

TEST_F(VirtualClockTest, HeldTimersWaitWhileTheClockMoves) {
  clock_.HoldTimers(true);
  auto timer = AtNs(100);
  clock_.AdvanceTo(200);
  EXPECT_TRUE(ran_.empty());
  EXPECT_EQ(clock_.NextDeadline(), std::nullopt);
  clock_.HoldTimers(false);
  EXPECT_EQ(ran_, (std::vector<int64_t>{200}));
}

}  // namespace
}  // namespace davit::io
