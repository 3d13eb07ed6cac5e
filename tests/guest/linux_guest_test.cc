// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's own, unmodified kernel as the guest, steered by QMP. It needs KVM with hardware (or its
// emulation) under it, so it runs on such a host or inside the lab (docs/testing.md). A boot is
// dear there: each case does with one guest what belongs together.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>

#include "tests/guest/guest_vm.h"

namespace davit::testing {
namespace {

using std::chrono::steady_clock;

class LinuxGuest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoLinux(); !why.empty()) GTEST_SKIP() << why;
  }
};

// One guest for the cases that follow one another in a VM's life. 2 CPUs, 512 MiB, bzImage.
class LinuxGuestLife : public LinuxGuest {
 protected:
  static void TearDownTestSuite() { vm_.reset(); }

  void SetUp() override {
    LinuxGuest::SetUp();
    if (IsSkipped() || vm_ != nullptr) return;
    ASSERT_FALSE(started_) << "the guest is gone";
    started_ = true;
    vm_ = StartLinux({"-m", "512", "-smp", "2", "-name", "guest=life,debug-threads=on"});
    ASSERT_NE(vm_, nullptr);
    auto line = WaitForInit(*vm_);
    if (!line) vm_.reset();
    ASSERT_TRUE(line) << line.error();
    banner_ = *line;
  }

  static long long Clock() { return std::atoll(Ask(*vm_, "clock\n", "init: clock ").c_str()); }

  static inline std::unique_ptr<Vm> vm_;
  static inline std::string banner_;
  static inline bool started_ = false;
};

TEST_F(LinuxGuestLife, BootsToInitWithTwoCpusAnd512MiB) {
  EXPECT_EQ(NumberAfter(banner_, "cpus"), 2) << banner_;
  EXPECT_GT(NumberAfter(banner_, "memory-kib"), 430 * 1024);
  EXPECT_LE(NumberAfter(banner_, "memory-kib"), 512 * 1024);
  EXPECT_EQ(vm_->RunState(), "running");
}

TEST_F(LinuxGuestLife, AcpiTablesAreAccepted) {
  ASSERT_OK(vm_->serial().Send("ls /sys/firmware/acpi/tables\n"));
  auto lines = vm_->serial().WaitFor("init: end", kReplyTime);
  ASSERT_OK(lines);
  for (const char* table : {"FACP", "APIC", "DSDT"}) {
    EXPECT_NE(lines->find(table), std::string::npos) << *lines;
  }
}

TEST_F(LinuxGuestLife, SerialAndButtonHaveTheirInterrupts) {
  ASSERT_OK(vm_->serial().Send("cat /proc/interrupts\n"));
  auto lines = vm_->serial().WaitFor("init: end", kReplyTime);
  ASSERT_OK(lines);
  EXPECT_NE(lines->find("4-edge      ttyS0"), std::string::npos) << *lines;
  EXPECT_NE(lines->find("ACPI:Ged"), std::string::npos) << *lines;
  EXPECT_EQ(NumberAfter(banner_, "inputs"), 1) << banner_;
}

TEST_F(LinuxGuestLife, VcpuThreadsAreThoseOfQueryCpusFast) {
  auto cpus = vm_->qmp().Execute("query-cpus-fast");
  ASSERT_OK(cpus);
  ASSERT_EQ(cpus->AsArray()->size(), 2u);
  int index = 0;
  for (const json::Value& cpu : *cpus->AsArray()) {
    const std::string path = "/proc/" + std::to_string(vm_->process().pid()) + "/task/" +
                             std::to_string(*cpu["thread-id"].AsInt()) + "/comm";
    EXPECT_EQ(ReadFile(path), "CPU " + std::to_string(index++) + "/KVM\n");
  }
}

TEST_F(LinuxGuestLife, StopStopsTheGuestsClockAndContResumesIt) {
  const auto start = steady_clock::now();
  const long long before = Clock();
  ASSERT_OK(vm_->qmp().Execute("stop"));
  const auto stopped = steady_clock::now();
  ASSERT_OK(vm_->qmp().WaitEvent("STOP", kReplyTime));
  EXPECT_EQ(vm_->RunState(), "paused");
  ASSERT_OK(vm_->serial().Send("clock\n"));
  EXPECT_TRUE(vm_->serial().Quiet(milliseconds(6000)));
  const auto resumed = steady_clock::now();
  ASSERT_OK(vm_->qmp().Execute("cont"));
  ASSERT_OK(vm_->qmp().WaitEvent("RESUME", kReplyTime));
  auto line = vm_->serial().WaitForLine("init: clock ", kReplyTime);
  ASSERT_OK(line);
  const long long after = std::atoll(line->c_str());
  EXPECT_GT(after, before);
  // Four seconds more than it ran, for clocks that go at different speeds.
  const std::chrono::nanoseconds ran = steady_clock::now() - start - (resumed - stopped);
  EXPECT_LT(after - before, ran.count() + 4'000'000'000)
      << "the guest's clock ran through six seconds of stop";
  EXPECT_EQ(vm_->RunState(), "running");
}

TEST_F(LinuxGuestLife, SystemResetBootsAgain) {
  ASSERT_OK(vm_->qmp().Execute("system_reset"));
  ExpectEvent(*vm_, "RESET", false, "host-qmp-system-reset");
  auto line = WaitForInit(*vm_);
  ASSERT_OK(line);
  EXPECT_EQ(NumberAfter(*line, "cpus"), 2) << *line;
}

// Without reboot=: Linux jumps to the processor's reset vector at the end of its tries.
TEST_F(LinuxGuestLife, PlainRebootBootsAgain) {
  ASSERT_OK(vm_->serial().Send("reboot\n"));
  ExpectEvent(*vm_, "RESET", true, "guest-reset");
  auto line = WaitForInit(*vm_);
  ASSERT_OK(line);
  EXPECT_EQ(NumberAfter(*line, "cpus"), 2) << *line;
}

TEST_F(LinuxGuestLife, SystemPowerdownIsSeenAndPowersOff) {
  ASSERT_OK(vm_->qmp().Execute("system_powerdown"));
  ASSERT_OK(vm_->qmp().WaitEvent("POWERDOWN", kReplyTime));
  ASSERT_OK(vm_->serial().WaitFor("init: power button", kReplyTime));
  ExpectEvent(*vm_, "SHUTDOWN", true, "guest-shutdown");
  ExpectExit(*vm_);
}

TEST_F(LinuxGuest, OneCpuSixGiBAndNoReboot) {
  auto vm = StartLinux({"-m", "6G", "-smp", "1", "-no-reboot"}, "reboot=k");
  ASSERT_NE(vm, nullptr);
  auto line = WaitForInit(*vm);
  ASSERT_OK(line);
  EXPECT_EQ(NumberAfter(*line, "cpus"), 1) << *line;
  EXPECT_GT(NumberAfter(*line, "memory-kib"), 5800LL * 1024);
  ASSERT_OK(vm->serial().Send("reboot\n"));
  ExpectEvent(*vm, "SHUTDOWN", true, "guest-reset");
  ExpectExit(*vm);
}

TEST_F(LinuxGuest, FourCpusByPvhAndNoShutdown) {
  auto vm = StartLinux({"-m", "512", "-smp", "4,sockets=2,cores=2,threads=1", "-no-shutdown"}, "",
                       "", "vmlinux");
  ASSERT_NE(vm, nullptr);
  auto line = WaitForInit(*vm);
  ASSERT_OK(line);
  EXPECT_EQ(NumberAfter(*line, "cpus"), 4) << *line;
  EXPECT_EQ(Ask(*vm, "cat /sys/devices/system/cpu/cpu3/topology/physical_package_id\n", "init: | "),
            "1");
  ASSERT_OK(vm->serial().Send("poweroff\n"));
  ExpectEvent(*vm, "SHUTDOWN", true, "guest-shutdown");
  EXPECT_EQ(vm->RunState(), "shutdown");
  ASSERT_OK(vm->qmp().Execute("quit"));
  ExpectExit(*vm);
}

TEST_F(LinuxGuest, SplitIrqchipTripleFaultRebootAndQuit) {
  auto vm = StartLinux({"-m", "512", "-smp", "2"}, "reboot=t", ",kernel-irqchip=split");
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(WaitForInit(*vm));
  ASSERT_OK(vm->serial().Send("reboot\n"));
  ExpectEvent(*vm, "RESET", true, "guest-reset");
  auto line = WaitForInit(*vm);
  ASSERT_OK(line);
  EXPECT_EQ(NumberAfter(*line, "cpus"), 2) << *line;
  ASSERT_OK(vm->qmp().Execute("quit"));
  ExpectEvent(*vm, "SHUTDOWN", false, "host-qmp-quit");
  ExpectExit(*vm);
}

TEST_F(LinuxGuest, ResetsAndStopsInTheMidstOfBootAreSurvived) {
  auto vm = StartLinux({"-m", "512", "-smp", "2"});
  ASSERT_NE(vm, nullptr);
  // The console is quiet until init; the waits only spread the resets over the boot.
  for (int wait : {100, 300, 700, 1200, 1900}) {
    (void)vm->serial().Quiet(milliseconds(wait));
    ASSERT_OK(vm->qmp().Execute("stop"));
    ASSERT_OK(vm->qmp().Execute("cont"));
    ASSERT_OK(vm->qmp().Execute("system_reset"));
    ExpectEvent(*vm, "RESET", false, "host-qmp-system-reset");
  }
  auto line = WaitForInit(*vm);
  ASSERT_OK(line);
  EXPECT_EQ(NumberAfter(*line, "cpus"), 2) << *line;
  ASSERT_OK(vm->serial().Send("poweroff\n"));
  ExpectEvent(*vm, "SHUTDOWN", true, "guest-shutdown");
  ExpectExit(*vm);
}

TEST_F(LinuxGuest, WithoutPicPitAndRtcRebootsByAcpi) {
  auto vm = StartLinux({"-m", "512", "-smp", "2"}, "reboot=a", ",pic=off,pit=off,rtc=off");
  ASSERT_NE(vm, nullptr);
  ASSERT_OK(WaitForInit(*vm));
  ASSERT_OK(vm->serial().Send("reboot\n"));
  ExpectEvent(*vm, "RESET", true, "guest-reset");
  ASSERT_OK(WaitForInit(*vm));
  vm->process().Signal(SIGTERM);
  ExpectEvent(*vm, "SHUTDOWN", false, "host-signal");
  ExpectExit(*vm);
}

}  // namespace
}  // namespace davit::testing
