// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Who gets which event, and when.
#include "qmp/event_hub/event_hub.h"

#include <gtest/gtest.h>

namespace davit::qmp {
namespace {

class Recorder final : public EventSubscriber {
 public:
  bool wants_events() const override { return wants; }
  bool pretty() const override { return false; }
  void DeliverEvent(std::string_view message) override {
    messages.emplace_back(message);
    if (hub != nullptr) hub->Unsubscribe(this);
  }

  bool wants = true;
  EventHub* hub = nullptr;
  std::vector<std::string> messages;
};

class EventHubTest : public ::testing::Test {
 protected:
  void Balloon(int64_t actual) {
    hub_.Emit({"BALLOON_CHANGE", json::Object{{"actual", actual}}, true}, {});
  }
  void Port(const char* id, bool open) {
    hub_.Emit({"VSERPORT_CHANGE", json::Object{{"id", id}, {"open", open}}, true}, {});
  }
  void SecondPasses() {
    auto timers = std::exchange(timers_, {});
    for (auto& fn : timers) fn();
  }
  size_t Count() const { return recorder_.messages.size(); }

  std::vector<std::function<void()>> timers_;
  EventHub hub_{[this](std::chrono::nanoseconds delay, std::function<void()> fn) {
    EXPECT_EQ(delay, std::chrono::seconds(1));
    timers_.push_back(std::move(fn));
  }};
  Recorder recorder_;
};

TEST_F(EventHubTest, DeliversOnlyToThoseWhoWantEvents) {
  Recorder other;
  other.wants = false;
  hub_.Subscribe(&recorder_);
  hub_.Subscribe(&other);
  hub_.Emit({"STOP", {}, false});
  EXPECT_EQ(Count(), 1u);
  EXPECT_TRUE(other.messages.empty());
}

TEST_F(EventHubTest, ASubscriberMayLeaveWhileItIsServed) {
  Recorder other;
  recorder_.hub = &hub_;
  hub_.Subscribe(&recorder_);
  hub_.Subscribe(&other);
  hub_.Emit({"STOP", {}, false});
  hub_.Emit({"STOP", {}, false});
  EXPECT_EQ(Count(), 1u);
  EXPECT_EQ(other.messages.size(), 2u);
}

TEST_F(EventHubTest, ALimitedEventGoesOutAtOnceAndThenOnceASecondWithItsLastValue) {
  hub_.Subscribe(&recorder_);
  Balloon(1);
  Balloon(2);
  Balloon(3);
  EXPECT_EQ(Count(), 1u);
  SecondPasses();
  ASSERT_EQ(Count(), 2u);
  EXPECT_NE(recorder_.messages[1].find("\"actual\": 3"), std::string::npos);
  Balloon(4);
  EXPECT_EQ(Count(), 2u);
  SecondPasses();
  EXPECT_EQ(Count(), 3u);
  SecondPasses();
  Balloon(5);
  EXPECT_EQ(Count(), 4u);
}

TEST_F(EventHubTest, SourcesAreLimitedApart) {
  hub_.Subscribe(&recorder_);
  Port("a", true);
  Port("b", true);
  Port("a", false);
  EXPECT_EQ(Count(), 2u);
  SecondPasses();
  EXPECT_EQ(Count(), 3u);
}

TEST_F(EventHubTest, OtherEventsAreNotLimited) {
  hub_.Subscribe(&recorder_);
  for (int i = 0; i < 5; ++i) hub_.Emit({"RESET", json::Object{{"n", i}}, true});
  EXPECT_EQ(Count(), 5u);
}

TEST_F(EventHubTest, AHeldBackEventKeepsTheTimeWhenItHappened) {
  hub_.Subscribe(&recorder_);
  const EventHub::Time when{std::chrono::seconds(1234)};
  hub_.Emit({"WATCHDOG", json::Object{{"action", "reset"}}, true});
  hub_.Emit({"WATCHDOG", json::Object{{"action", "pause"}}, true}, when);
  SecondPasses();
  ASSERT_EQ(Count(), 2u);
  EXPECT_NE(recorder_.messages[1].find("\"seconds\": 1234"), std::string::npos);
}

TEST_F(EventHubTest, FlushDeliversWhatIsHeldBack) {
  hub_.Subscribe(&recorder_);
  Balloon(1);
  Balloon(2);
  hub_.Flush();
  EXPECT_EQ(Count(), 2u);
}

TEST(EventHubLifeTest, ATimerMayOutliveTheHub) {
  std::vector<std::function<void()>> timers;
  {
    EventHub hub([&](std::chrono::nanoseconds, std::function<void()> fn) {
      timers.push_back(std::move(fn));
    });
    hub.Emit({"RTC_CHANGE", json::Object{{"offset", 1}}, true});
  }
  ASSERT_EQ(timers.size(), 1u);
  timers[0]();
}

}  // namespace
}  // namespace davit::qmp
