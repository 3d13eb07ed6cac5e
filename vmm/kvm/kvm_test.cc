// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The real KVM behind the seam, with a few bytes of hand-assembled 16-bit code. Skips where the
// host has no usable /dev/kvm.
#include "vmm/kvm/kvm.h"

#include <gtest/gtest.h>

#include <fstream>

#include "vmm/memory/guest_memory.h"
#include "vmm/memory/ram_block.h"

namespace davit::kvm {
namespace {

class RealKvm : public testing::Test {
 protected:
  static constexpr uint64_t kCode = 0x1000;

  void SetUp() override {
    auto system = System::Open();
    if (!system) GTEST_SKIP() << system.error().message;
    system_ = std::move(*system);
    auto vm = system_->CreateVm();
    ASSERT_TRUE(vm) << vm.error();
    vm_ = std::move(*vm);
    ASSERT_TRUE(vm_->SetTssAddress(0xfffbd000));
    ASSERT_TRUE(vm_->CreateIrqchip());
    memory::RamBlockOptions options;
    options.size = 0x10000;
    block_ = *memory::RamBlock::Create(options);
    ram_ = *memory::GuestMemory::Create({{{0}, 0x10000, block_, 0}});
    ASSERT_TRUE(vm_->SetMemorySlot(0, 0, 0x10000, block_->host_address(), false));
    auto vcpu = vm_->CreateVcpu(0);
    ASSERT_TRUE(vcpu) << vcpu.error();
    vcpu_ = std::move(*vcpu);
    ASSERT_TRUE(vcpu_->SetCpuid(*system_->SupportedCpuid()));
    pristine_ = vcpu_->SaveState();
  }

  void Load(const std::vector<uint8_t>& code) {
    ASSERT_TRUE(ram_.Write({kCode}, std::as_bytes(std::span(code))));
    auto special = *vcpu_->GetSpecialRegisters();
    special.cs.base = 0;
    special.cs.selector = 0;
    ASSERT_TRUE(vcpu_->SetSpecialRegisters(special));
    Registers registers;
    registers.rip = kCode;
    ASSERT_TRUE(vcpu_->SetRegisters(registers));
  }

  Exit Run() {
    auto exit = vcpu_->Run();
    EXPECT_TRUE(exit) << exit.error();
    return exit ? *exit : Exit{};
  }

  std::unique_ptr<System> system_;
  std::unique_ptr<Vm> vm_;
  std::shared_ptr<memory::RamBlock> block_;
  memory::GuestMemory ram_;
  std::unique_ptr<Vcpu> vcpu_;
  VcpuState pristine_;
};

TEST_F(RealKvm, PortWriteAndReadAreDecoded) {
  Load({0xb0, 0x41,        // mov al, 'A'
        0xba, 0xf8, 0x03,  // mov dx, 0x3f8
        0xee,              // out dx, al
        0xec,              // in al, dx
        0xa2, 0x00, 0x20,  // mov [0x2000], al
        0xee});            // out dx, al
  Exit exit = Run();
  auto* out = std::get_if<IoExit>(&exit);
  ASSERT_NE(out, nullptr);
  EXPECT_TRUE(out->write);
  EXPECT_EQ(out->port, 0x3f8);
  EXPECT_EQ(out->data[0], 'A');
  exit = Run();
  auto* in = std::get_if<IoExit>(&exit);
  ASSERT_NE(in, nullptr);
  EXPECT_FALSE(in->write);
  in->data[0] = 0x5a;
  exit = Run();
  EXPECT_EQ(*ram_.Read<uint8_t>({0x2000}), 0x5a);
}

TEST_F(RealKvm, MmioWriteIsDecoded) {
  Load({0xb8, 0x00, 0x70, 0x8e, 0xd8,    // mov ax, 0x7000; mov ds, ax
        0xc6, 0x06, 0x34, 0x02, 0x77});  // mov byte [0x234], 0x77
  Exit exit = Run();
  auto* mmio = std::get_if<MmioExit>(&exit);
  ASSERT_NE(mmio, nullptr);
  EXPECT_TRUE(mmio->write);
  EXPECT_EQ(mmio->address, 0x70234U);
  ASSERT_EQ(mmio->data.size(), 1U);
  EXPECT_EQ(mmio->data[0], 0x77);
}

TEST_F(RealKvm, CollectedPortWritesDoNotExitAndComeInOrder) {
  if (vm_->Capability(Cap::kCoalescedPio) == 0) GTEST_SKIP() << "not on this kernel";
  ASSERT_TRUE(vm_->CollectWrites({.pio = true, .address = 0x70, .size = 1}));
  Load({0xb0, 0x0a,    // mov al, 0x0a
        0xe6, 0x70,    // out 0x70, al
        0xfe, 0xc0,    // inc al
        0xe6, 0x70,    // out 0x70, al
        0xe7, 0x70,    // out 0x70, ax: reaches beyond the zone
        0xe4, 0x71});  // in al, 0x71
  EXPECT_FALSE(vcpu_->HasWrites());
  Exit exit = Run();
  auto* io = std::get_if<IoExit>(&exit);
  ASSERT_NE(io, nullptr);
  EXPECT_EQ(io->size, 2);
  EXPECT_TRUE(vcpu_->HasWrites());
  std::vector<int> values;
  vcpu_->TakeWrites([&](const CollectedWrite& write) {
    EXPECT_TRUE(vcpu_->HasWrites()) << "until the last one is done";
    EXPECT_TRUE(write.pio);
    EXPECT_EQ(write.address, 0x70U);
    ASSERT_EQ(write.data.size(), 1U);
    values.push_back(write.data[0]);
  });
  EXPECT_EQ(values, (std::vector<int>{0x0a, 0x0b}));
  EXPECT_FALSE(vcpu_->HasWrites());
  exit = Run();
  EXPECT_FALSE(std::get<IoExit>(exit).write) << "a read always exits";
}

TEST_F(RealKvm, CollectedMmioWritesDoNotExit) {
  if (vm_->Capability(Cap::kCoalescedMmio) == 0) GTEST_SKIP() << "not on this kernel";
  ASSERT_TRUE(vm_->CollectWrites({.pio = false, .address = 0x70000, .size = 4}));
  Load({0xb8, 0x00, 0x70, 0x8e, 0xd8,    // mov ax, 0x7000; mov ds, ax
        0xc6, 0x06, 0x00, 0x00, 0x77,    // mov byte [0], 0x77
        0xc6, 0x06, 0x04, 0x00, 0x78});  // mov byte [4], 0x78
  Exit exit = Run();
  auto* mmio = std::get_if<MmioExit>(&exit);
  ASSERT_NE(mmio, nullptr);
  EXPECT_EQ(mmio->address, 0x70004U);
  int writes = 0;
  vcpu_->TakeWrites([&](const CollectedWrite& write) {
    ++writes;
    EXPECT_FALSE(write.pio);
    EXPECT_EQ(write.address, 0x70000U);
    EXPECT_EQ(write.data[0], 0x77);
  });
  EXPECT_EQ(writes, 1);
}

// A guest that writes on and on ends at the ring's size, and loses nothing.
TEST_F(RealKvm, WriteThatTheRingHasNoRoomForExits) {
  if (vm_->Capability(Cap::kCoalescedPio) == 0) GTEST_SKIP() << "not on this kernel";
  ASSERT_TRUE(vm_->CollectWrites({.pio = true, .address = 0x80, .size = 1}));
  Load({0xfe, 0xc0, 0xe6, 0x80, 0xeb, 0xfa});  // again: inc al; out 0x80, al; jmp again
  uint8_t expected = 0;
  for (int round = 0; round < 3; ++round) {
    Exit exit = Run();
    int collected = 0;
    vcpu_->TakeWrites([&](const CollectedWrite& write) {
      ++collected;
      ASSERT_EQ(write.data[0], ++expected);
    });
    EXPECT_GT(collected, 100);
    EXPECT_LT(collected, 200);
    ASSERT_EQ(std::get<IoExit>(exit).data[0], ++expected);
  }
}

TEST_F(RealKvm, ImmediateExitInterruptsAnEndlessLoopBeforeItStarts) {
  Load({0xeb, 0xfe});  // jmp $
  vcpu_->SetImmediateExit(true);
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(Run()));
}

TEST_F(RealKvm, ImmediateExitFinishesThePendingPortRead) {
  Load({0xe4, 0x60, 0xeb, 0xfe});  // in al, 0x60; jmp $
  Exit exit = Run();
  std::get<IoExit>(exit).data[0] = 0x1c;
  vcpu_->SetImmediateExit(true);
  EXPECT_TRUE(std::holds_alternative<InterruptedExit>(Run()));
  EXPECT_EQ(vcpu_->GetRegisters()->rax & 0xff, 0x1cU);
  EXPECT_EQ(vcpu_->GetRegisters()->rip, kCode + 2);
}

TEST_F(RealKvm, TripleFaultIsShutdown) {
  Load({0x0f, 0x0b});  // ud2, in protected mode with an empty IDT
  auto special = *vcpu_->GetSpecialRegisters();
  special.cr0 |= 1;
  special.idt_limit = 0;
  special.cs = {
      .limit = 0xffffffff, .selector = 8, .type = 0xb, .present = 1, .db = 1, .s = 1, .g = 1};
  for (Segment* data : {&special.ds, &special.es, &special.ss}) {
    *data = {.limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
  }
  ASSERT_TRUE(vcpu_->SetSpecialRegisters(special));
  EXPECT_TRUE(std::holds_alternative<ShutdownExit>(Run()));
}

TEST_F(RealKvm, RestoredStateIsTheResetState) {
  Load({0xe6, 0x80, 0xeb, 0xfe});  // out 0x80, al
  Run();
  vcpu_->SetImmediateExit(true);
  Run();
  vcpu_->SetImmediateExit(false);
  ASSERT_TRUE(vcpu_->RestoreState(pristine_));
  EXPECT_EQ(vcpu_->GetRegisters()->rip, 0xfff0U);
  EXPECT_EQ(vcpu_->GetSpecialRegisters()->cs.base, 0xffff0000U);
  EXPECT_EQ(*vcpu_->GetMpState(), MpState::kRunnable);
}

TEST_F(RealKvm, ClockCanBeSetBack) {
  ASSERT_TRUE(vm_->SetClock(123456789));
  auto clock = vm_->GetClock();
  ASSERT_TRUE(clock) << clock.error();
  EXPECT_GE(*clock, 123456789U);
  EXPECT_LT(*clock, 123456789U + 60'000'000'000U);
}

TEST(KvmOpen, MissingDeviceSaysWhatToDo) {
  auto system = System::Open("/nonexistent/kvm");
  ASSERT_FALSE(system);
  EXPECT_TRUE(system.error().message.starts_with(
      "Could not access KVM kernel module: /nonexistent/kvm: No such file or directory (load the "))
      << system.error();
  EXPECT_FALSE(System::Present("/nonexistent/kvm"));
}

TEST(KvmOpen, AnotherDeviceIsNotKvm) {
  auto system = System::Open("/dev/null");
  ASSERT_FALSE(system);
  EXPECT_EQ(system.error().message, "/dev/null is not KVM");
}

}  // namespace
}  // namespace davit::kvm
