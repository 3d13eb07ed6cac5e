// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of PollBudget.
#include "vmm/io/poll_budget.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace davit::io {
namespace {

using std::chrono::nanoseconds;

TEST(PollBudgetTest, StartsWithNothing) {
  const PollBudget budget({.max_ns = 32768});
  EXPECT_TRUE(budget.enabled());
  EXPECT_EQ(budget.time(), nanoseconds(0));
}

TEST(PollBudgetTest, WithoutAMaximumItNeverPolls) {
  PollBudget budget({.max_ns = 0});
  budget.Waited(nanoseconds(1));
  EXPECT_FALSE(budget.enabled());
  EXPECT_EQ(budget.time(), nanoseconds(0));
}

TEST(PollBudgetTest, NewOptionsStartAnew) {
  PollBudget budget({.max_ns = 32768});
  budget.Waited(nanoseconds(1));
  ASSERT_GT(budget.time(), nanoseconds(0));
  budget.Set({.max_ns = 1000});
  EXPECT_EQ(budget.time(), nanoseconds(0));
  budget.Waited(nanoseconds(1));
  EXPECT_EQ(budget.time(), nanoseconds(1000));
  budget.Set({.max_ns = 0});
  EXPECT_FALSE(budget.enabled());
}

TEST(PollBudgetTest, ShortSleepsDoubleItUpToTheMaximum) {
  PollBudget budget({.max_ns = 10000});
  budget.Waited(nanoseconds(9000));
  EXPECT_EQ(budget.time(), nanoseconds(4000));
  budget.Waited(nanoseconds(9000));
  EXPECT_EQ(budget.time(), nanoseconds(8000));
  budget.Waited(nanoseconds(9000));
  EXPECT_EQ(budget.time(), nanoseconds(10000));
}

TEST(PollBudgetTest, AFirstStepAboveTheMaximumIsTheMaximum) {
  PollBudget budget({.max_ns = 5});
  budget.Waited(nanoseconds(5));
  EXPECT_EQ(budget.time(), nanoseconds(5));
}

TEST(PollBudgetTest, WorkWithinTheBudgetLeavesItAlone) {
  PollBudget budget({.max_ns = 10000});
  budget.Waited(nanoseconds(9000));
  budget.Waited(nanoseconds(4000));
  EXPECT_EQ(budget.time(), nanoseconds(4000));
}

TEST(PollBudgetTest, ALongSleepEndsIt) {
  PollBudget budget({.max_ns = 10000});
  budget.Waited(nanoseconds(9000));
  budget.Waited(nanoseconds(10001));
  EXPECT_EQ(budget.time(), nanoseconds(0));
}

TEST(PollBudgetTest, ALongSleepDividesItByShrink) {
  PollBudget budget({.max_ns = 10000, .shrink = 4});
  budget.Waited(nanoseconds(9000));
  budget.Waited(nanoseconds(10001));
  EXPECT_EQ(budget.time(), nanoseconds(1000));
}

TEST(PollBudgetTest, AFactorThatWouldOverflowGivesTheMaximum) {
  PollBudget budget({.max_ns = INT64_MAX, .grow = INT64_MAX});
  budget.Waited(nanoseconds(5000));
  budget.Waited(nanoseconds(5000));
  EXPECT_EQ(budget.time(), nanoseconds(INT64_MAX));
}

}  // namespace
}  // namespace davit::io
