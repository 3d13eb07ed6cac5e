// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of Timer on a fake loop.
#include "vmm/io/timer.h"

#include <gtest/gtest.h>

#include <optional>

#include "vmm/io/testing/fake_event_loop.h"

namespace davit::io {
namespace {

using std::chrono::milliseconds;

class TimerTest : public testing::Test {
 protected:
  FakeEventLoop loop_;
  int fired_ = 0;
  std::optional<Timer> timer_{std::in_place, loop_, [this] { ++fired_; }};
};

TEST_F(TimerTest, FiresOnceAtTheDeadline) {
  timer_->Arm(loop_.Now() + milliseconds(10));
  loop_.Advance(milliseconds(9));
  EXPECT_EQ(fired_, 0);
  loop_.Advance(milliseconds(1));
  EXPECT_EQ(fired_, 1);
  loop_.Advance(milliseconds(100));
  EXPECT_EQ(fired_, 1);
}

TEST_F(TimerTest, LastArmWins) {
  timer_->Arm(loop_.Now() + milliseconds(10));
  timer_->Arm(loop_.Now() + milliseconds(30));
  loop_.Advance(milliseconds(20));
  EXPECT_EQ(fired_, 0);
  loop_.Advance(milliseconds(10));
  EXPECT_EQ(fired_, 1);
}

TEST_F(TimerTest, CancelledTimerDoesNotFire) {
  timer_->Arm(loop_.Now() + milliseconds(10));
  loop_.Advance(milliseconds(1));
  timer_->Cancel();
  loop_.Advance(milliseconds(20));
  EXPECT_EQ(fired_, 0);
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(TimerTest, DestroyedTimerWithAPostedUpdateDoesNothing) {
  timer_->Arm(loop_.Now());
  timer_.reset();
  loop_.Advance(milliseconds(1));
  EXPECT_EQ(fired_, 0);
}

TEST_F(TimerTest, ManyArmsPostOneUpdate) {
  for (int i = 0; i < 1000; ++i) timer_->Arm(loop_.Now() + milliseconds(i));
  loop_.RunPosted();
  EXPECT_EQ(loop_.timers(), 1u);
}

}  // namespace
}  // namespace davit::io
