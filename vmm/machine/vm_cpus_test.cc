// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// CPUs that come and go over the fake KVM: threads, vCPUs that wait for their CPU to come again,
// clocks, and a guest that does what it likes with the registers.
#include <gtest/gtest.h>

#include "tests/guest/probe/image.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/kvm/fake.h"
#include "vmm/machine/vm.h"
#include "vmm/machine/vm_fixture.h"

namespace davit::machine {
namespace {

constexpr uint16_t kSelector = 0xcd8, kFlags = 0xcdc, kCommand = 0xcdd, kData = 0xce0;
constexpr uint8_t kEject = 8, kOstStatus = 2;
constexpr uint32_t kMsrTsc = 0x10;

control::DeviceSpec CpuSpec(const std::string& id, int64_t core) {
  control::DeviceSpec spec;
  spec.driver = "host-x86_64-cpu";
  spec.id = id;
  spec.properties = {{"apic-id", {uint64_t{UINT32_MAX}}}, {"core-id", {core}},
                     {"die-id", {int64_t{-1}}},           {"socket-id", {int64_t{0}}},
                     {"thread-id", {int64_t{0}}},         {"node-id", {int64_t{-1}}}};
  return spec;
}

class VmCpusTest : public testing::Test {
 protected:
  VmCpusTest() {
    config_.type = "q35";
    config_.kernel = ProbeGuestImage();
    config_.memory.size = uint64_t{64} << 20;
    config_.smp.cpus = 1;
    config_.smp.maxcpus = 3;
  }
  void Create() {
    auto vm = Vm::Create(config_, Deps{loop_, sink_, nullptr, {}, &kvm_});
    ASSERT_TRUE(vm) << vm.error();
    vm_ = std::move(*vm);
    loop_.RunPosted();
    sink_.Take();
  }
  kvm::FakeVcpu& Vcpu(size_t i) { return *kvm_.vm->vcpus[i]; }
  // What the ACPI code of the guest does to eject a CPU, on vCPU `by`.
  void Eject(size_t by, uint8_t index) {
    Vcpu(by).PushPort(kSelector, true, 0);
    Vcpu(by).PushPort(kSelector, true, index);
    Vcpu(by).PushPort(kFlags, true, kEject);
    while (vm_->Cpus().size() > 1) loop_.RunPosted();
    loop_.RunPosted();
  }

  io::FakeEventLoop loop_;
  kvm::FakeSystem kvm_;
  RecordingSink sink_;
  MachineConfig config_;
  std::unique_ptr<control::VmControl> vm_;
};

TEST_F(VmCpusTest, AddedCpuRunsAtOnceInARunningVm) {
  Create();
  ASSERT_TRUE(vm_->DeviceAdd(CpuSpec("c1", 1)));
  ASSERT_EQ(kvm_.vm->vcpus.size(), 2u);
  EXPECT_EQ(Vcpu(1).apic_id, 1u);
  Vcpu(1).WaitIdle();
  const auto cpus = vm_->Cpus();
  ASSERT_EQ(cpus.size(), 2u);
  EXPECT_EQ(cpus[1].qom_path, "/machine/peripheral/c1");
}

TEST_F(VmCpusTest, CpuAddedToAPausedVmWaitsAndTakesTheHeldTime) {
  Create();
  Vcpu(0).WaitIdle();
  Vcpu(0).msrs[kMsrTsc] = 77;
  ASSERT_TRUE(vm_->Stop());
  ASSERT_TRUE(vm_->DeviceAdd(CpuSpec("c1", 1)));
  EXPECT_EQ(Vcpu(1).runs(), 0);
  ASSERT_TRUE(vm_->Cont());
  Vcpu(1).WaitIdle();
  ASSERT_TRUE(vm_->Stop());
  EXPECT_EQ(Vcpu(1).msrs[kMsrTsc], 77u);
}

TEST_F(VmCpusTest, VcpuOfAnEjectedCpuServesAgainWhenItComesBack) {
  Create();
  ASSERT_TRUE(vm_->DeviceAdd(CpuSpec("c1", 1)));
  Eject(0, 1);
  EXPECT_EQ(sink_.Take(), (std::vector<std::string>{"DEVICE", "DEVICE"}));
  EXPECT_EQ(vm_->DeviceDel("c1").error().message, "Device 'c1' not found");
  const int restores = Vcpu(1).restores;
  ASSERT_TRUE(vm_->DeviceAdd(CpuSpec("c1", 1)));
  EXPECT_EQ(kvm_.vm->vcpus.size(), 2u);
  EXPECT_EQ(Vcpu(1).restores, restores + 1);
  Vcpu(1).WaitIdle();
}

TEST_F(VmCpusTest, CpuMayEjectItself) {
  Create();
  ASSERT_TRUE(vm_->DeviceAdd(CpuSpec("c1", 1)));
  Eject(1, 1);
  EXPECT_EQ(vm_->Cpus().size(), 1u);
  ASSERT_TRUE(vm_->DeviceAdd(CpuSpec("again", 1)));
  Vcpu(1).WaitIdle();
}

TEST_F(VmCpusTest, ResetKeepsAddedCpus) {
  Create();
  ASSERT_TRUE(vm_->DeviceAdd(CpuSpec("c2", 2)));
  const int restores = Vcpu(1).restores;
  ASSERT_TRUE(vm_->SystemReset());
  loop_.RunPosted();
  EXPECT_EQ(Vcpu(1).restores, restores + 1);
  EXPECT_EQ(vm_->Cpus().size(), 2u);
}

TEST_F(VmCpusTest, RefusedVcpuLeavesNoTrace) {
  Create();
  kvm_.vm->fail_call = "CreateVcpu";
  const Status added = vm_->DeviceAdd(CpuSpec("c1", 1));
  ASSERT_FALSE(added);
  EXPECT_TRUE(added.error().message.starts_with("kvm: CPU 1: ")) << added.error();
  EXPECT_EQ(vm_->Cpus().size(), 1u);
  const auto slots = vm_->HotpluggableCpus();
  ASSERT_TRUE(slots);
  EXPECT_EQ((*slots)[1].qom_path, "");
  kvm_.vm->fail_call = "";
  EXPECT_TRUE(vm_->DeviceAdd(CpuSpec("c1", 1)));
}

TEST_F(VmCpusTest, FloodOfReportsIsBounded) {
  Create();
  Vcpu(0).PushPort(kSelector, true, 0);
  Vcpu(0).PushPort(kCommand, true, kOstStatus);
  for (uint8_t i = 0; i < 200; ++i) Vcpu(0).PushPort(kData, true, i);
  Vcpu(0).WaitIdle();
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take().size(), 64u);
  Vcpu(0).PushPort(kData, true, 1);
  Vcpu(0).WaitIdle();
  loop_.RunPosted();
  EXPECT_EQ(sink_.Take().size(), 1u);
}

TEST_F(VmCpusTest, MicrovmTakesNoCpus) {
  config_.type = "microvm";
  Create();
  EXPECT_EQ(vm_->DeviceAdd(CpuSpec("c1", 9)).error().message,
            "Invalid CPU core-id: 9 must be in range 0:2");
  EXPECT_EQ(vm_->DeviceAdd(CpuSpec("c1", 1)).error().message,
            "virt: device plug request for unsupported device type: host-x86_64-cpu");
  EXPECT_EQ(vm_->DeviceDel("/machine/unattached/device[0]").error().message,
            "unplug not supported by microvm");
  EXPECT_EQ(vm_->HotpluggableCpus().error().message,
            "The feature 'query-hotpluggable-cpus' is not enabled");
}

TEST_F(VmCpusTest, MoreThanKvmHasRoomForIsRefusedAtTheStart) {
  kvm_.caps[kvm::Cap::kMaxVcpus] = 2;
  const auto vm = Vm::Create(config_, Deps{loop_, sink_, nullptr, {}, &kvm_});
  ASSERT_FALSE(vm);
  EXPECT_EQ(vm.error().message,
            "Number of hotpluggable cpus requested (3) exceeds the maximum cpus supported by KVM "
            "(2)");
}

}  // namespace
}  // namespace davit::machine
