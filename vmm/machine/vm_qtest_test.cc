// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A VM whose accelerator is qtest: no KVM, no vCPU runs, the protocol drives the board.
#include <gtest/gtest.h>

#include <set>

#include "vmm/backend/char/registry.h"
#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/kvm/fake.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/vm_fixture.h"

namespace davit::machine {
namespace {

using control::RunState;
using control::ShutdownCause;
using Events = std::vector<std::string>;

class VmQtest : public testing::Test {
 protected:
  VmQtest() {
    config_.accels = {{"qtest", {}, {}}};
    config_.memory.size = uint64_t{16} << 20;
    config_.qtest = QtestConfig{"fake0", "none"};
    auto chardev = std::make_unique<backend::FakeChardev>();
    chardev_ = chardev.get();
    EXPECT_TRUE(chardevs_.Add(std::move(chardev)));
  }
  ~VmQtest() override { vm_.reset(); }

  Result<std::unique_ptr<control::VmControl>> TryCreate() {
    return Vm::Create(config_,
                      Deps{loop_, sink_, &chardevs_, [this](int code) { exit_ = code; }, kvm_});
  }
  void Create() {
    auto vm = TryCreate();
    ASSERT_TRUE(vm) << vm.error();
    vm_ = std::move(*vm);
    loop_.RunPosted();
    chardev_->Send(backend::ChardevEvent::kOpened);
  }
  std::string CreateError() {
    auto vm = TryCreate();
    return vm ? "no error" : vm.error().message;
  }
  std::string Ask(const std::string& line) {
    chardev_->Feed(line + "\n");
    std::string answer = std::exchange(chardev_->written, {});
    if (answer.ends_with('\n')) answer.pop_back();
    return answer;
  }
  // An RTC register.
  std::string Cmos(unsigned index) {
    Ask("outb 0x70 " + std::to_string(index));
    return Ask("inb 0x71");
  }
  void SetCmos(unsigned index, unsigned value) {
    Ask("outb 0x70 " + std::to_string(index));
    Ask("outb 0x71 " + std::to_string(value));
  }

  io::FakeEventLoop loop_;
  backend::ChardevRegistry chardevs_{loop_};
  backend::FakeChardev* chardev_ = nullptr;
  RecordingSink sink_;
  MachineConfig config_;
  std::optional<int> exit_;
  kvm::System* kvm_ = nullptr;
  std::unique_ptr<control::VmControl> vm_;
};

TEST_F(VmQtest, RunsWithoutVcpusAndShowsThemAsQemuDoes) {
  config_.smp.cpus = 3;
  Create();
  EXPECT_EQ(vm_->run_state(), RunState::kRunning);
  EXPECT_EQ(sink_.Take(), Events{"RESUME"});
  EXPECT_FALSE(vm_->kvm_enabled());
  const auto cpus = vm_->Cpus();
  ASSERT_EQ(cpus.size(), 3U);
  std::set<int64_t> tids;
  for (const auto& cpu : cpus) tids.insert(cpu.host_tid);
  EXPECT_EQ(tids.size(), 3U);
  EXPECT_EQ(tids.count(0), 0U);
  auto registers = vm_->Registers();
  ASSERT_TRUE(registers);
  EXPECT_EQ(registers->at(0).rip, 0xfff0U);
}

TEST_F(VmQtest, RamIsEmptyWithoutAKernel) {
  Create();
  EXPECT_EQ(Ask("read 0x100000 4"), "OK 0x00000000");
  EXPECT_EQ(Ask("writel 0x100000 0x12345678"), "OK");
  EXPECT_EQ(Ask("read 0x100000 4"), "OK 0x78563412");
}

TEST_F(VmQtest, StopContQuit) {
  Create();
  sink_.Take();
  ASSERT_TRUE(vm_->Stop());
  ASSERT_TRUE(vm_->Cont());
  ASSERT_TRUE(vm_->SystemReset());
  loop_.RunPosted();
  vm_->Quit(ShutdownCause::kHostSignal);
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take(),
            (Events{"STOP", "RESUME", "RESET host-qmp-system-reset", "SHUTDOWN host-signal"}));
  EXPECT_EQ(exit_, 0);
}

TEST_F(VmQtest, AnswersDuringPreconfig) {
  config_.preconfig = true;
  Create();
  EXPECT_EQ(Ask("endianness"), "OK little");
  EXPECT_EQ(Ask("clock_step 5"), "OK 5");
  EXPECT_EQ(Ask("irq_intercept_in ioapic"), "FAIL Unknown device");
  ASSERT_TRUE(vm_->ExitPreconfig());
  EXPECT_EQ(Ask("irq_intercept_in ioapic"), "OK");
  EXPECT_EQ(Ask("read 0x100000 2"), "OK 0x0000");
}

TEST_F(VmQtest, PowerButtonPulsesTheLineOfTheGed) {
  Create();
  EXPECT_EQ(Ask("irq_intercept_in ioapic"), "OK");
  ASSERT_TRUE(vm_->SystemPowerdown());
  loop_.RunPosted();
  EXPECT_EQ(std::exchange(chardev_->written, {}), "IRQ raise 9\nIRQ lower 9\n");
  EXPECT_EQ(Ask("readl 0xfea00000"), "OK 0x0000000000000002");
}

TEST_F(VmQtest, RtcFollowsTheVirtualClockAlone) {
  config_.rtc.base = RtcConfig::Base::kDate;
  config_.rtc.date = 1'000'000'000;  // 2001-09-09 01:46:40
  Create();
  EXPECT_EQ(Cmos(0), "OK 0x0040");
  EXPECT_EQ(Ask("clock_step 5000000000"), "OK 5000000000");
  EXPECT_EQ(Cmos(0), "OK 0x0045");
  // An alarm each minute at second 50.
  EXPECT_EQ(Ask("irq_intercept_in ioapic"), "OK");
  SetCmos(1, 0x50);
  SetCmos(3, 0xff);
  SetCmos(5, 0xff);
  SetCmos(11, 0x22);
  EXPECT_EQ(Ask("clock_step 4999999999"), "OK 9999999999");
  EXPECT_EQ(Ask("clock_step 1"), "IRQ raise 8\nOK 10000000000");
  // Interrupt, periodic flag, alarm, update-ended.
  Ask("outb 0x70 12");
  EXPECT_EQ(Ask("inb 0x71"), "IRQ lower 8\nOK 0x00f0");
}

TEST_F(VmQtest, TimersOfAStoppedGuestWait) {
  config_.start_paused = true;
  config_.rtc.base = RtcConfig::Base::kDate;
  Create();
  EXPECT_EQ(Ask("irq_intercept_in ioapic"), "OK");
  SetCmos(11, 0x12);  // update-ended
  EXPECT_EQ(Ask("clock_step 2000000000"), "OK 2000000000");
  ASSERT_TRUE(vm_->Cont());
  loop_.RunPosted();
  EXPECT_EQ(std::exchange(chardev_->written, {}), "IRQ raise 8\n");
}

TEST_F(VmQtest, ListOfAcceleratorsFallsBack) {
  config_.accels = {{"tcg", {}, "-accel tcg"}, {"qtest", {}, "-accel qtest"}};
  Create();
  EXPECT_FALSE(vm_->kvm_enabled());
}

TEST_F(VmQtest, KvmThatMakesNoVmIsFallenBackFromOrNamed) {
  kvm::FakeSystem kvm;
  kvm.fail_create = true;
  kvm_ = &kvm;
  config_.accels = {{"kvm", {}, "-accel kvm"}, {"qtest", {}, "-accel qtest"}};
  Create();
  EXPECT_FALSE(vm_->kvm_enabled());
  vm_.reset();
  config_.accels = {{"kvm", {}, "-accel kvm"}, {"foo", {}, "-accel foo"}};
  EXPECT_EQ(CreateError(), "-accel foo: invalid accelerator foo");
}

TEST_F(VmQtest, WhatNeedsAnotherAcceleratorIsRefused) {
  const auto with = [this](const std::function<void(MachineConfig&)>& change) {
    const MachineConfig before = config_;
    change(config_);
    std::string error = CreateError();
    config_ = before;
    return error;
  };
  EXPECT_EQ(with([](auto& c) { c.cpu = "host"; }), "CPU model 'host' requires KVM or HVF");
  EXPECT_EQ(with([](auto& c) {
              c.machine_properties = {{"pic", "on"}};
            }),
            "pic=on needs the accelerator kvm");
  EXPECT_EQ(with([](auto& c) {
              c.accels = {{"qtest", {{"x", "1"}}, "-accel qtest,x=1"}};
            }),
            "-accel qtest,x=1: Property 'qtest-accel.x' not found");
  EXPECT_EQ(with([](auto& c) {
              c.accels = {{"foo", {}, "-accel foo"}, {"bar", {}, "-accel bar"}};
            }),
            "-accel bar: invalid accelerator bar");
  EXPECT_EQ(with([](auto& c) { c.qtest->chardev = "nosuch"; }), "chardev 'nosuch' not found");
  EXPECT_EQ(with([](auto& c) { c.qtest->log = "/nonexistent/x"; }),
            "could not open qtest log '/nonexistent/x': No such file or directory");
}

}  // namespace
}  // namespace davit::machine
