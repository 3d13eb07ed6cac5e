// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What is told of trays: a client's moves each and at once, a guest's without a flood.
#include "vmm/machine/block/tray_watch.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "vmm/io/testing/fake_event_loop.h"

namespace davit::machine {
namespace {

using States = std::vector<bool>;

class TrayWatchTest : public ::testing::Test {
 protected:
  void Guest(bool open, const std::string& qdev = "cd0") { Move(qdev, open, true); }
  void Client(bool open) { Move("cd0", open, false); }
  void Move(const std::string& qdev, bool open, bool by_guest) {
    states_[qdev] = open;
    watch_->Moved({.device = "drive", .qdev = qdev, .open = open, .by_guest = by_guest});
  }
  // What was told of cd0 since the last call.
  States Told() { return std::exchange(told_, {}); }

  io::FakeEventLoop loop_;
  std::map<std::string, bool> states_;
  States told_;
  size_t others_ = 0;
  std::shared_ptr<TrayWatch> watch_ = std::make_shared<TrayWatch>(
      loop_,
      [this](const std::string& qdev) -> std::optional<bool> {
        const auto it = states_.find(qdev);
        if (it == states_.end()) return std::nullopt;
        return it->second;
      },
      [this](const backend::TrayMoved& moved) {
        EXPECT_EQ(moved.device, "drive");
        if (moved.qdev == "cd0") {
          told_.push_back(moved.open);
        } else {
          ++others_;
        }
      });
};

TEST_F(TrayWatchTest, AClientsMovesAreToldAtOnce) {
  Client(true);
  Client(false);
  EXPECT_EQ(Told(), (States{true, false}));
  EXPECT_FALSE(loop_.RunPosted());
}

TEST_F(TrayWatchTest, AGuestThatMovesItsTrayWithoutEndIsToldOnceASecond) {
  for (int i = 0; i < 1001; ++i) Guest(i % 2 == 0);
  EXPECT_EQ(Told(), States{});
  loop_.RunPosted();
  EXPECT_EQ(Told(), (States{true}));
  for (int second = 0; second < 3; ++second) {
    for (int i = 0; i < 1000; ++i) Guest(i % 2 != 0);
    loop_.RunPosted();
    EXPECT_EQ(Told(), States{});
    loop_.Advance(TrayWatch::kPeriod);
    EXPECT_EQ(Told(), (States{false, true}));  // it is back where it was
  }
  Guest(false);
  loop_.Advance(TrayWatch::kPeriod);
  EXPECT_EQ(Told(), (States{false}));
  loop_.Advance(TrayWatch::kPeriod);
  EXPECT_EQ(loop_.timers(), 0u);
  // After a quiet second the next one is told soon again.
  Guest(true);
  loop_.RunPosted();
  EXPECT_EQ(Told(), (States{true}));
}

TEST_F(TrayWatchTest, DevicesAreLimitedApart) {
  Guest(true);
  loop_.RunPosted();
  Guest(true, "cd1");
  loop_.RunPosted();
  EXPECT_EQ(others_, 1u);
  EXPECT_EQ(Told(), (States{true}));
}

TEST_F(TrayWatchTest, AClientsMoveComesAfterTheGuestsBeforeIt) {
  Guest(true);
  Client(false);
  EXPECT_EQ(Told(), (States{true, false}));
  loop_.RunPosted();
  EXPECT_EQ(Told(), States{});
  // While the guest's are held back, the client's are not.
  Guest(true);
  Client(false);
  Client(true);
  EXPECT_EQ(Told(), (States{true, false, true}));
  loop_.Advance(2 * TrayWatch::kPeriod);
  EXPECT_EQ(Told(), States{});
}

// The device's lock is free between a client's move and its being told.
TEST_F(TrayWatchTest, TheLastStateComesWhenTheGuestMovesInTheMidstOfAClientsMove) {
  Guest(true);
  watch_->Moved({.device = "drive", .qdev = "cd0", .open = false, .by_guest = false});
  EXPECT_EQ(Told(), (States{true, false}));
  loop_.RunPosted();
  EXPECT_EQ(Told(), (States{true}));
}

TEST_F(TrayWatchTest, ADeviceOrAWatchThatHasGoneTellsNothing) {
  Guest(true);
  states_.clear();
  loop_.Advance(2 * TrayWatch::kPeriod);
  EXPECT_EQ(Told(), States{});
  EXPECT_EQ(loop_.timers(), 0u);
  Guest(true);
  watch_.reset();
  loop_.RunPosted();
  EXPECT_EQ(Told(), States{});
}

}  // namespace
}  // namespace davit::machine
