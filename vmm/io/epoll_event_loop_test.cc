// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of what EpollEventLoop has beside what every loop has (event_loop_test.cc): pollers. The
// budget is made so large, or so small, that the tests do not depend on the host's speed.
#include "vmm/io/epoll_event_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "vmm/base/unique_fd.h"

namespace davit::io {
namespace {

using std::chrono::milliseconds;

// After WarmUp() it looks for a minute.
constexpr PollOptions kLong{.max_ns = 60'000'000'000, .grow = 1'000'000'000};
constexpr PollOptions kShort{.max_ns = 60'000'000'000, .grow = 1};  // for 4 us, always

class ScriptedPoller final : public Poller {
 public:
  bool Poll() override {
    ++looks;
    return poll ? poll() : false;
  }
  void OnSpin(bool spinning) override { spins.push_back(spinning); }

  std::function<bool()> poll;
  int looks = 0;
  std::vector<bool> spins;
};

class PollingTest : public testing::Test {
 protected:
  void Make(const PollOptions& options) { loop_ = std::make_unique<EpollEventLoop>(options); }
  // Two sleeps that are longer than the first budget and shorter than the maximum: reason to look.
  // Nothing ends them early, and there is no timer that a busy host makes late.
  void WarmUp() {
    for (int i = 0; i < 2; ++i) ASSERT_FALSE(loop_->RunOne(milliseconds(1)));
  }
  std::unique_ptr<EpollEventLoop> loop_;
  ScriptedPoller poller_;
};

TEST_F(PollingTest, LooksUntilThereIsWorkAndDoesNotSleep) {
  Make(kLong);
  WarmUp();
  auto handle = loop_->AddPoller(poller_);
  ASSERT_NE(handle, nullptr);
  poller_.poll = [this] { return poller_.looks == 100; };
  ASSERT_TRUE(loop_->RunOne(milliseconds(60'000)));
  EXPECT_EQ(poller_.looks, 100);
  EXPECT_EQ(poller_.spins, std::vector<bool>({true})) << "no sleep, so signals stay off";
}

TEST_F(PollingTest, TellsThePollerBeforeItSleepsAndLooksOnceMore) {
  Make(kShort);
  WarmUp();
  auto handle = loop_->AddPoller(poller_);
  // What came in the moment before signals were on again.
  poller_.poll = [this] { return poller_.spins.back() == false; };
  ASSERT_TRUE(loop_->RunOne(milliseconds(60'000)));
  EXPECT_EQ(poller_.spins, std::vector<bool>({true, false}));
}

// Eventfds that were signalled for what a look had found already.
TEST_F(PollingTest, ASignalThatLiesThereAfterTheLookIsTakenBeforeTheSleep) {
  Make(kShort);
  WarmUp();
  auto handle = loop_->AddPoller(poller_);
  const UniqueFd fd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  int called = 0;
  auto watch = loop_->WatchSignals(fd.get(), [&] { ++called; });
  ASSERT_TRUE(loop_->RunOne(milliseconds(60'000)));
  EXPECT_EQ(called, 1);
  const int looks = poller_.looks;
  EXPECT_FALSE(loop_->RunOne(milliseconds(1)));
  EXPECT_EQ(poller_.looks, looks) << "it has looked in vain a moment ago";
  EXPECT_FALSE(loop_->RunOne(milliseconds(1)));
  EXPECT_GT(poller_.looks, looks);
}

TEST_F(PollingTest, WithoutABudgetItNeverLooks) {
  Make({.max_ns = 0});
  auto handle = loop_->AddPoller(poller_);
  WarmUp();
  EXPECT_EQ(poller_.looks, 0);
  EXPECT_TRUE(poller_.spins.empty());
}

TEST_F(PollingTest, PostedWorkEndsTheLook) {
  Make(kLong);
  WarmUp();
  auto handle = loop_->AddPoller(poller_);
  bool ran = false;
  std::thread poster;
  poller_.poll = [&] {
    if (poller_.looks == 1) poster = std::thread([&] { loop_->Post([&] { ran = true; }); });
    return false;
  };
  while (!ran) ASSERT_TRUE(loop_->RunOne(milliseconds(60'000)));
  poster.join();
  EXPECT_EQ(poller_.spins, std::vector<bool>({true}));
}

TEST_F(PollingTest, ATimerEndsTheLook) {
  Make(kLong);
  WarmUp();
  auto handle = loop_->AddPoller(poller_);
  bool fired = false;
  auto timer = loop_->At(loop_->Now() + milliseconds(1), [&] { fired = true; });
  while (!fired) ASSERT_TRUE(loop_->RunOne(milliseconds(60'000)));
}

TEST_F(PollingTest, DescriptorsHaveTheirTurnWhileLooksFindWork) {
  Make(kLong);
  WarmUp();
  auto handle = loop_->AddPoller(poller_);
  poller_.poll = [] { return true; };
  const UniqueFd fd(eventfd(1, EFD_CLOEXEC));
  bool called = false;
  auto watch = loop_->WatchReadable(fd.get(), [&] { called = true; });
  for (int turn = 0; turn < 16; ++turn) ASSERT_TRUE(loop_->RunOne(milliseconds(60'000)));
  EXPECT_TRUE(called);
}

TEST_F(PollingTest, APollerMayGoWhileItIsLookedAt) {
  Make(kLong);
  WarmUp();
  ScriptedPoller other;
  auto handle = loop_->AddPoller(poller_);
  auto second = loop_->AddPoller(other);
  other.poll = [&] { return other.looks == 2; };
  poller_.poll = [&] {
    handle.reset();
    return false;
  };
  ASSERT_TRUE(loop_->RunOne(milliseconds(60'000)));
  EXPECT_EQ(poller_.looks, 1);
  EXPECT_EQ(other.looks, 2);
}

TEST_F(PollingTest, HandleOfAPollerMayOutliveTheLoop) {
  Make(kLong);
  auto handle = loop_->AddPoller(poller_);
  loop_.reset();
  handle.reset();
  EXPECT_EQ(poller_.looks, 0);
}

}  // namespace
}  // namespace davit::io
