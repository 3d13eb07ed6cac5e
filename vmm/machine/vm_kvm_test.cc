// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole VM on the real KVM, with the probe guest: boots, stops, resets by every path, powers off,
// survives what KVM cannot run. Skips where the host has no usable /dev/kvm.
#include <gtest/gtest.h>

#include <chrono>

#include "tests/guest/probe/image.h"
#include "vmm/backend/char/registry.h"
#include "vmm/io/asio_event_loop.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/vm_fixture.h"

namespace davit::machine {
namespace {

using control::RunState;

class VmOnKvm : public testing::Test {
 protected:
  void SetUp() override {
    auto system = kvm::System::Open();
    if (!system) GTEST_SKIP() << system.error().message;
    auto console = std::make_unique<ConsoleChardev>("con");
    console_ = console.get();
    ASSERT_TRUE(chardevs_.Add(std::move(console)));
    config_.kernel = ProbeGuestImage();
    config_.append = "probe-test";
    config_.serials = {"con"};
  }

  void Create() {
    auto vm =
        Vm::Create(config_, Deps{loop_, sink_, &chardevs_, [this](int code) { exit_ = code; }});
    ASSERT_TRUE(vm) << vm.error();
    vm_ = std::move(*vm);
  }

  // Runs the loop until the condition holds; generous, for hosts that emulate KVM.
  template <typename Condition>
  bool WaitFor(Condition condition) {
    const auto deadline = io::Clock::now() + std::chrono::seconds(120);
    while (!condition()) {
      if (io::Clock::now() > deadline) return false;
      loop_.RunOne(std::chrono::milliseconds(20));
    }
    return true;
  }
  bool WaitForText(const std::string& text) {
    return WaitFor([&] { return console_->Contains(text); });
  }
  void Boot() {
    Create();
    ASSERT_TRUE(WaitForText("ready, h for help")) << console_->text();
  }

  io::AsioEventLoop loop_;
  backend::ChardevRegistry chardevs_{loop_};
  ConsoleChardev* console_ = nullptr;
  RecordingSink sink_;
  MachineConfig config_;
  std::optional<int> exit_;
  std::unique_ptr<control::VmControl> vm_;
};

TEST_F(VmOnKvm, BootsAndShowsItsMachine) {
  config_.smp.cpus = 2;
  Boot();
  EXPECT_TRUE(console_->Contains("command line: probe-test")) << console_->text();
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
  EXPECT_EQ(sink_.Take(), std::vector<std::string>{"RESUME"});
  ASSERT_EQ(vm_->Cpus().size(), 2U);
  EXPECT_GT(vm_->Cpus()[1].host_tid, 0);
  auto registers = vm_->Registers();
  ASSERT_TRUE(registers) << registers.error();
  EXPECT_NE((*registers)[0].rip, 0U);
}

TEST_F(VmOnKvm, PowerButtonMakesTheGuestPowerOff) {
  Boot();
  sink_.Take();
  ASSERT_TRUE(vm_->SystemPowerdown());
  ASSERT_TRUE(WaitFor([&] { return exit_.has_value(); })) << console_->text();
  EXPECT_EQ(sink_.Take(), (std::vector<std::string>{"POWERDOWN", "SHUTDOWN guest-shutdown"}));
  EXPECT_EQ(*exit_, 0);
}

TEST_F(VmOnKvm, EveryResetBootsTheGuestAgain) {
  Boot();
  for (const char command : {'r', 'R', 'x', 's'}) {
    sink_.Take();
    console_->Clear();
    if (command == 's') {
      ASSERT_TRUE(vm_->SystemReset());
    } else {
      console_->Type(command);
    }
    ASSERT_TRUE(WaitForText("ready, h for help")) << command << console_->text();
    EXPECT_EQ(sink_.Take(), std::vector<std::string>{command == 's' ? "RESET host-qmp-system-reset"
                                                                    : "RESET guest-reset"});
    EXPECT_EQ(vm_->run_state(), RunState::kRunning);
  }
}

TEST_F(VmOnKvm, NoRebootTurnsAResetIntoTheEnd) {
  config_.actions.reboot = control::RebootAction::kShutdown;
  Boot();
  sink_.Take();
  console_->Type('x');
  ASSERT_TRUE(WaitFor([&] { return exit_.has_value(); }));
  EXPECT_EQ(sink_.Take(), std::vector<std::string>{"SHUTDOWN guest-reset"});
}

TEST_F(VmOnKvm, NoShutdownKeepsTheMachineForAReset) {
  config_.actions.shutdown = control::ShutdownAction::kPause;
  Boot();
  sink_.Take();
  console_->Type('p');
  ASSERT_TRUE(WaitFor([&] { return sink_.Has("STOP"); }));
  EXPECT_EQ(sink_.Take(), (std::vector<std::string>{"SHUTDOWN guest-shutdown", "STOP"}));
  EXPECT_EQ(vm_->run_state(), RunState::kShutdown);
  EXPECT_EQ(vm_->Cont().error().message, "Resetting the Virtual Machine is required");
  console_->Clear();
  ASSERT_TRUE(vm_->SystemReset());
  ASSERT_TRUE(WaitFor([&] { return vm_->run_state() == RunState::kPrelaunch; }));
  ASSERT_TRUE(vm_->Cont());
  ASSERT_TRUE(WaitForText("ready, h for help"));
}

TEST_F(VmOnKvm, WhatKvmCannotRunIsAnInternalError) {
  Boot();
  sink_.Take();
  console_->Type('u');
  ASSERT_TRUE(WaitFor([&] { return sink_.Has("STOP"); })) << console_->text();
  EXPECT_EQ(vm_->run_state(), RunState::kInternalError);
  EXPECT_FALSE(vm_->Cont());
}

TEST_F(VmOnKvm, StoppedGuestDoesNothingUntilCont) {
  Boot();
  ASSERT_TRUE(vm_->Stop());
  EXPECT_EQ(vm_->run_state(), RunState::kPaused);
  console_->Clear();
  console_->Type('h');
  const auto registers = vm_->Registers();
  for (int i = 0; i < 5; ++i) loop_.RunOne(std::chrono::milliseconds(10));
  EXPECT_EQ(vm_->Registers()->front().rip, registers->front().rip);
  EXPECT_EQ(console_->text(), "");
  ASSERT_TRUE(vm_->Cont());
  EXPECT_TRUE(WaitForText("triple fault"));
}

TEST_F(VmOnKvm, SplitIrqchipBootsObeysAndResets) {
  config_.machine_properties = {{"kernel-irqchip", "split"}};
  config_.smp.cpus = 2;
  Boot();
  console_->Type('s');  // start the other CPU, which the reset must put back
  console_->Clear();
  ASSERT_TRUE(vm_->SystemReset());
  ASSERT_TRUE(WaitForText("ready, h for help")) << console_->text();
  console_->Type('h');
  EXPECT_TRUE(WaitForText("triple fault"));
  ASSERT_TRUE(vm_->SystemPowerdown());
  EXPECT_TRUE(WaitFor([&] { return exit_.has_value(); })) << console_->text();
}

TEST_F(VmOnKvm, RamAboveFourGigabytesIsThere) {
  config_.memory.size = uint64_t{6} << 30;
  Boot();
  EXPECT_EQ(vm_->MemorySize().base_memory, uint64_t{6} << 30);
  EXPECT_TRUE(console_->Contains("100000000")) << console_->text();
}

TEST_F(VmOnKvm, Q35ShowsFullAcpiAndObeysItsButton) {
  config_.type = "q35";
  config_.smp.cpus = 2;
  Boot();
  EXPECT_TRUE(
      console_->Contains("acpi: full hardware, pm1 event 600 control 604, sci 9, reset "
                         "port cf9 value f"))
      << console_->text();
  EXPECT_TRUE(console_->Contains("cpus: 2 in MADT, 2 enabled")) << console_->text();
  sink_.Take();
  ASSERT_TRUE(vm_->SystemPowerdown());
  ASSERT_TRUE(WaitFor([&] { return exit_.has_value(); })) << console_->text();
  EXPECT_EQ(sink_.Take(), (std::vector<std::string>{"POWERDOWN", "SHUTDOWN guest-shutdown"}));
}

TEST_F(VmOnKvm, EveryResetOfAQ35BootsTheGuestAgain) {
  config_.type = "pc-q35-7.2";
  Boot();
  for (const char command : {'r', 'R', 'x', 's'}) {
    sink_.Take();
    console_->Clear();
    if (command == 's') {
      ASSERT_TRUE(vm_->SystemReset());
    } else {
      console_->Type(command);
    }
    ASSERT_TRUE(WaitForText("ready, h for help")) << command << console_->text();
    EXPECT_EQ(sink_.Take(), std::vector<std::string>{command == 's' ? "RESET host-qmp-system-reset"
                                                                    : "RESET guest-reset"});
  }
}

TEST_F(VmOnKvm, SplitIrqchipQ35WithSixGigabytesBootsAndPowersOff) {
  config_.type = "q35";
  config_.machine_properties = {{"kernel-irqchip", "split"}};
  config_.memory.size = uint64_t{6} << 30;
  Boot();
  EXPECT_TRUE(console_->Contains("100000000")) << console_->text();
  ASSERT_TRUE(vm_->SystemPowerdown());
  EXPECT_TRUE(WaitFor([&] { return exit_.has_value(); })) << console_->text();
}

TEST_F(VmOnKvm, QuitEndsAtOnceThoughShutdownPauses) {
  config_.actions.shutdown = control::ShutdownAction::kPause;
  Create();
  vm_->Quit(control::ShutdownCause::kHostQmpQuit);
  ASSERT_TRUE(WaitFor([&] { return exit_.has_value(); }));
  EXPECT_TRUE(sink_.Has("SHUTDOWN host-qmp-quit"));
}

}  // namespace
}  // namespace davit::machine
