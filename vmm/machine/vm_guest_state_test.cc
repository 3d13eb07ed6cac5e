// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a guest tells of its state by pvpanic-pci and i6300esb, on a q35 that qtest drives, and what
// each action makes of it.
#include <gtest/gtest.h>

#include "vmm/backend/char/registry.h"
#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/vm_fixture.h"

namespace davit::machine {
namespace {

using control::PanicAction;
using control::RunState;
using control::WatchdogAction;
using Events = std::vector<std::string>;

constexpr uint64_t kBar = 0xe0000000;

class GuestState : public testing::Test {
 protected:
  GuestState() {
    config_.type = "q35";
    config_.accels = {{"qtest", {}, {}}};
    config_.memory.size = uint64_t{16} << 20;
    config_.qtest = QtestConfig{"fake0", "none"};
    auto chardev = std::make_unique<backend::FakeChardev>();
    chardev_ = chardev.get();
    EXPECT_TRUE(chardevs_.Add(std::move(chardev)));
  }
  ~GuestState() override { vm_.reset(); }

  // The device in slot 1, its BAR 0 at kBar.
  void Create(const std::string& driver) {
    control::DeviceSpec spec{driver, "", "", {{"addr", {int64_t{8}}}, {"multifunction", {false}}}};
    if (driver == "pvpanic-pci") spec.properties.push_back({"events", {uint64_t{3}}});
    config_.devices = {{"", spec}};
    auto vm = Vm::Create(
        config_, Deps{loop_, sink_, &chardevs_, [this](int code) { exit_ = code; }, nullptr});
    ASSERT_TRUE(vm) << vm.error();
    vm_ = std::move(*vm);
    loop_.RunPosted();
    chardev_->Send(backend::ChardevEvent::kOpened);
    Config(0x10, kBar);
    Config(0x04, 2);
    sink_.Take();
  }
  std::string Ask(const std::string& line) {
    chardev_->Feed(line + "\n");
    std::string answer = std::exchange(chardev_->written, {});
    if (answer.ends_with('\n')) answer.pop_back();
    return answer;
  }
  void Config(uint32_t offset, uint32_t value) {
    Ask("outl 0xcf8 " + std::to_string(0x80000800u + offset));
    Ask("outl 0xcfc " + std::to_string(value));
  }
  void Write(const char* width, uint64_t offset, uint32_t value) {
    Ask(std::string("write") + width + " " + std::to_string(kBar + offset) + " " +
        std::to_string(value));
    loop_.RunPosted();
  }
  Events Panic(PanicAction action) {
    config_.actions.panic = action;
    Create("pvpanic-pci");
    Write("b", 0, 1);
    return sink_.Take();
  }
  // The watchdog of 1 ms a stage runs out.
  Events Watchdog(WatchdogAction action) {
    Create("i6300esb");
    control::ActionChange change;
    change.watchdog = action;
    vm_->SetActions(change);
    for (const uint64_t timer : {0, 4}) {
      Write("w", 12, 0x80);
      Write("w", 12, 0x86);
      Write("l", timer, 1);
    }
    Config(0x68, 2);
    loop_.RunPosted();
    for (int step = 0; step < 3; ++step) {
      Ask("clock_step 1000000");
      loop_.RunPosted();
    }
    return sink_.Take();
  }

  io::FakeEventLoop loop_;
  backend::ChardevRegistry chardevs_{loop_};
  backend::FakeChardev* chardev_ = nullptr;
  RecordingSink sink_;
  MachineConfig config_;
  std::optional<int> exit_;
  std::unique_ptr<control::VmControl> vm_;
};

TEST_F(GuestState, PanicGoesOnWhereTheActionIsNone) {
  EXPECT_EQ(Panic(PanicAction::kNone), Events{"GUEST_PANICKED run"});
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(GuestState, PanicPauses) {
  EXPECT_EQ(Panic(PanicAction::kPause), (Events{"GUEST_PANICKED pause", "STOP"}));
  EXPECT_EQ(vm_->run_state(), RunState::kGuestPanicked);
  EXPECT_FALSE(exit_);
}

TEST_F(GuestState, PanicShutsDown) {
  EXPECT_EQ(Panic(PanicAction::kShutdown),
            (Events{"GUEST_PANICKED poweroff", "STOP", "SHUTDOWN guest-panic"}));
  EXPECT_EQ(exit_, 0);
}

TEST_F(GuestState, PanicFails) {
  EXPECT_EQ(Panic(PanicAction::kExitFailure),
            (Events{"GUEST_PANICKED poweroff", "STOP", "SHUTDOWN guest-panic"}));
  EXPECT_EQ(exit_, 1);
}

TEST_F(GuestState, CrashLoadedIsToldAndNothingElse) {
  Create("pvpanic-pci");
  Write("b", 0, 2);
  EXPECT_EQ(sink_.Take(), Events{"GUEST_CRASHLOADED"});
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(GuestState, WatchdogResets) {
  EXPECT_EQ(Watchdog(WatchdogAction::kReset), (Events{"WATCHDOG reset", "RESET guest-reset"}));
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(GuestState, WatchdogPressesThePowerButton) {
  EXPECT_EQ(Watchdog(WatchdogAction::kShutdown), (Events{"WATCHDOG shutdown", "POWERDOWN"}));
}

TEST_F(GuestState, WatchdogPowersOff) {
  EXPECT_EQ(Watchdog(WatchdogAction::kPoweroff), Events{"WATCHDOG poweroff"});
  EXPECT_EQ(exit_, 0);
}

TEST_F(GuestState, WatchdogPauses) {
  EXPECT_EQ(Watchdog(WatchdogAction::kPause), (Events{"WATCHDOG pause", "STOP"}));
  EXPECT_EQ(vm_->run_state(), RunState::kWatchdog);
  EXPECT_TRUE(vm_->Cont());
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(GuestState, WatchdogThatOnlyTells) {
  EXPECT_EQ(Watchdog(WatchdogAction::kNone), Events{"WATCHDOG none"});
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
}

TEST_F(GuestState, WatchdogForDebugging) {
  EXPECT_EQ(Watchdog(WatchdogAction::kDebug), Events{"WATCHDOG debug"});
}

TEST_F(GuestState, WatchdogSendsAnNmi) {
  EXPECT_EQ(Watchdog(WatchdogAction::kInjectNmi), Events{"WATCHDOG inject-nmi"});
}

TEST_F(GuestState, RebootActionOfShutdownTakesTheWatchdogsReset) {
  config_.actions.reboot = control::RebootAction::kShutdown;
  EXPECT_EQ(Watchdog(WatchdogAction::kReset), (Events{"WATCHDOG reset", "SHUTDOWN guest-reset"}));
  EXPECT_EQ(exit_, 0);
}

}  // namespace
}  // namespace davit::machine
