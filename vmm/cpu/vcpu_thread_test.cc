// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// VcpuThread over a scripted vCPU: pause, resume, work, and no guest progress while parked.
#include "vmm/cpu/vcpu_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <vector>

#include "vmm/kvm/fake.h"

namespace davit::cpu {
namespace {

class Recorder final : public ExitHandler {
 public:
  void HandleExit(VcpuThread& vcpu, kvm::Exit& exit) override {
    EXPECT_EQ(VcpuThread::Current(), &vcpu);
    if (std::holds_alternative<kvm::InterruptedExit>(exit)) {
      ++interrupted;
      return;
    }
    if (park_on_shutdown && std::holds_alternative<kvm::ShutdownExit>(exit)) vcpu.ParkSelf();
    ++exits;
  }
  void HandleRunError(VcpuThread&, const Error&) override { ++errors; }
  std::atomic<int> exits{0};
  std::atomic<int> interrupted{0};
  std::atomic<int> errors{0};
  bool park_on_shutdown = true;
};

class VcpuThreadTest : public testing::Test {
 protected:
  VcpuThreadTest() { thread_ = std::make_unique<VcpuThread>(0, vcpu_, recorder_, "CPU 0/KVM"); }
  Recorder recorder_;
  kvm::FakeVcpu vcpu_{0};
  kvm::FakeVcpu* const fake_ = &vcpu_;
  std::unique_ptr<VcpuThread> thread_;
};

TEST_F(VcpuThreadTest, StartsParkedWithItsName) {
  thread_->WaitParked();
  EXPECT_EQ(fake_->runs(), 0);
  std::ifstream comm("/proc/self/task/" + std::to_string(thread_->thread_id()) + "/comm");
  std::string name;
  std::getline(comm, name);
  EXPECT_EQ(name, "CPU 0/KVM");
}

TEST_F(VcpuThreadTest, RunsAndHandlesExits) {
  fake_->PushPort(0x80, true, 1);
  fake_->PushPort(0x80, true, 2);
  thread_->Resume();
  fake_->WaitIdle();
  EXPECT_EQ(recorder_.exits, 2);
}

// So that nothing which the guest did stays unseen while it stands.
TEST_F(VcpuThreadTest, HandlerIsCalledBeforeItParks) {
  thread_->Resume();
  fake_->WaitIdle();
  thread_->RequestPause();
  thread_->WaitParked();
  EXPECT_GE(recorder_.interrupted, 1);
}

TEST_F(VcpuThreadTest, PauseStopsAGuestThatNeverExits) {
  thread_->Resume();
  fake_->WaitIdle();
  thread_->RequestPause();
  thread_->WaitParked();
  fake_->PushPort(0x80, true, 1);
  const int runs = fake_->runs();
  thread_->RunOn([](kvm::Vcpu&) {});
  EXPECT_EQ(fake_->runs(), runs);
  EXPECT_EQ(recorder_.exits, 0);
}

TEST_F(VcpuThreadTest, PauseAndResumeInQuickSuccessionLoseNothing) {
  for (int i = 0; i < 300; ++i) {
    fake_->PushPort(0x80, true, 1);
    thread_->Resume();
    if (i % 3 == 0) fake_->WaitIdle();
    thread_->RequestPause();
    thread_->WaitParked();
  }
  thread_->Resume();
  fake_->WaitIdle();
  EXPECT_EQ(recorder_.exits, 300);
}

TEST_F(VcpuThreadTest, WorkRunsOnTheVcpuThreadWhileTheGuestRuns) {
  thread_->Resume();
  fake_->WaitIdle();
  pid_t where = 0;
  thread_->RunOn([&](kvm::Vcpu&) { where = gettid(); });
  EXPECT_EQ(where, thread_->thread_id());
  fake_->PushPort(0x80, true, 1);
  fake_->WaitIdle();
  EXPECT_EQ(recorder_.exits, 1);
}

TEST_F(VcpuThreadTest, ParkSelfHoldsTheGuestUntilResume) {
  fake_->Push(kvm::ShutdownExit{});
  thread_->Resume();
  thread_->WaitParked();
  // WaitParked may have seen the time before Resume: the exit tells.
  while (recorder_.exits == 0) thread_->RunOn([](kvm::Vcpu&) {});
  thread_->WaitParked();
  fake_->PushPort(0x80, true, 1);
  thread_->RunOn([](kvm::Vcpu&) {});
  EXPECT_EQ(recorder_.exits, 1);
  thread_->Resume();
  fake_->WaitIdle();
  EXPECT_EQ(recorder_.exits, 2);
}

TEST_F(VcpuThreadTest, HeldGuestRunsOnUnlessItIsPaused) {
  thread_->Resume();
  fake_->WaitIdle();
  thread_->Hold();
  thread_->WaitParked();
  fake_->PushPort(0x80, true, 1);
  thread_->RunOn([](kvm::Vcpu&) {});
  EXPECT_EQ(recorder_.exits, 0);
  thread_->Release();
  fake_->WaitIdle();
  EXPECT_EQ(recorder_.exits, 1);
  thread_->RequestPause();
  thread_->Hold();
  thread_->WaitParked();
  fake_->PushPort(0x80, true, 1);
  thread_->Release();
  thread_->RunOn([](kvm::Vcpu&) {});
  EXPECT_EQ(recorder_.exits, 1);
}

// Or a guest that asked for its reset would run on before it.
TEST_F(VcpuThreadTest, HeldGuestThatHasParkedItselfStaysParked) {
  fake_->Push(kvm::ShutdownExit{});
  thread_->Resume();
  while (recorder_.exits == 0) thread_->RunOn([](kvm::Vcpu&) {});
  thread_->Hold();
  thread_->WaitParked();
  thread_->Release();
  fake_->PushPort(0x80, true, 1);
  thread_->RunOn([](kvm::Vcpu&) {});
  EXPECT_EQ(recorder_.exits, 1);
}

TEST_F(VcpuThreadTest, VcpuRunsOnAnotherThreadAfterTheFirstHasGone) {
  fake_->PushPort(0x80, true, 1);
  thread_->Resume();
  fake_->WaitIdle();
  thread_->RequestPause();
  thread_->WaitParked();
  thread_.reset();
  fake_->PushPort(0x80, true, 2);
  thread_ = std::make_unique<VcpuThread>(0, vcpu_, recorder_, "CPU 0/KVM");
  thread_->Resume();
  fake_->WaitIdle();
  EXPECT_EQ(recorder_.exits, 2);
}

TEST_F(VcpuThreadTest, DestructionEndsARunningGuest) {
  thread_->Resume();
  fake_->WaitIdle();
  thread_.reset();
  EXPECT_EQ(recorder_.exits, 0);
}

}  // namespace
}  // namespace davit::cpu
