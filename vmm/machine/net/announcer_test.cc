// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// When the rounds of announce-self come.
#include "vmm/machine/net/announcer.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "vmm/io/testing/fake_event_loop.h"

namespace davit::machine {
namespace {

using control::AnnounceRequest;
using std::chrono::milliseconds;

class AnnouncerTest : public ::testing::Test {
 protected:
  // Since the last call, in milliseconds from the start.
  std::vector<int64_t> Rounds() { return std::exchange(rounds_, {}); }
  void Pass(int64_t ms) { loop_.Advance(milliseconds(ms)); }

  io::FakeEventLoop loop_;
  const io::Clock::time_point begin_ = loop_.Now();
  std::vector<int64_t> rounds_;
  std::vector<std::string> ids_;
  Announcer announcer_{loop_, [this](const AnnounceRequest& request) {
                         rounds_.push_back((loop_.Now() - begin_) / milliseconds(1));
                         ids_.push_back(request.id);
                       }};
};

TEST_F(AnnouncerTest, WaitsGrowByTheStepUpToTheMaximum) {
  ASSERT_TRUE(announcer_.Start({.initial = 50, .max = 180, .step = 100, .rounds = 5}));
  EXPECT_EQ(Rounds(), std::vector<int64_t>({0})) << "the first at once";
  Pass(1000);
  EXPECT_EQ(Rounds(), std::vector<int64_t>({50, 200, 380, 560}));
}

TEST_F(AnnouncerTest, OneRoundIsOver) {
  ASSERT_TRUE(announcer_.Start({.initial = 1, .max = 1, .rounds = 1}));
  Pass(100);
  EXPECT_EQ(Rounds(), std::vector<int64_t>({0}));
}

TEST_F(AnnouncerTest, TheSameIdAgainEndsWhatWasThere) {
  ASSERT_TRUE(announcer_.Start({.initial = 10, .max = 10, .rounds = 100, .id = "a"}));
  ASSERT_TRUE(announcer_.Start({.initial = 10, .max = 10, .rounds = 3}));
  Pass(10);
  EXPECT_EQ(Rounds(), std::vector<int64_t>({0, 0, 10, 10})) << "two series";
  ASSERT_TRUE(announcer_.Start({.rounds = 0, .id = "a"}));
  Pass(100);
  EXPECT_EQ(Rounds(), std::vector<int64_t>({20}));
  EXPECT_EQ(ids_.back(), "");
}

TEST_F(AnnouncerTest, HugeNumbersWaitLong) {
  constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
  ASSERT_TRUE(announcer_.Start({.initial = kHuge, .max = kHuge, .step = kHuge, .rounds = kHuge}));
  ASSERT_TRUE(
      announcer_.Start({.initial = 1, .max = kHuge, .step = kHuge, .rounds = 4, .id = "a"}));
  Pass(100);
  EXPECT_EQ(Rounds(), std::vector<int64_t>({0, 0, 1}));
}

TEST_F(AnnouncerTest, NegativeNumbersAreRefused) {
  EXPECT_EQ(announcer_.Start({.initial = -1, .rounds = 1}).error().message,
            "Parameter 'initial' expects a number of 0 or more");
  EXPECT_EQ(announcer_.Start({.rounds = -1}).error().message,
            "Parameter 'rounds' expects a number of 0 or more");
  EXPECT_EQ(Rounds(), std::vector<int64_t>());
}

}  // namespace
}  // namespace davit::machine
