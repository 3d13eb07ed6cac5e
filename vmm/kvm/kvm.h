// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The seam to KVM: /dev/kvm, a VM, a vCPU. The real implementation is one per class in *_unsafe.cc;
// fake.h has one for unit tests. System and Vm: any thread (the kernel locks), creation on the
// control thread. Vcpu: Run() on its vCPU thread; the other calls there too, or on any thread while
// the vCPU is parked; SetImmediateExit() on any thread at any time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/kvm/types.h"

namespace davit::kvm {

class Vcpu {
 public:
  virtual ~Vcpu() = default;
  // Enters the guest. Error: KVM_RUN itself failed.
  virtual Result<Exit> Run() = 0;
  // True: the next Run() (or the one after a signal) returns InterruptedExit at once, after
  // finishing a port or MMIO access whose data has been supplied.
  virtual void SetImmediateExit(bool on) = 0;

  virtual Status SetCpuid(const std::vector<CpuidEntry>& entries) = 0;
  virtual Result<Registers> GetRegisters() = 0;
  virtual Status SetRegisters(const Registers& registers) = 0;
  virtual Result<SpecialRegisters> GetSpecialRegisters() = 0;
  virtual Status SetSpecialRegisters(const SpecialRegisters& registers) = 0;
  // dr0..dr3, dr6, dr7
  virtual Result<std::vector<uint64_t>> GetDebugRegisters() = 0;
  virtual Result<uint64_t> GetMsr(uint32_t index) = 0;
  virtual Status SetMsr(Msr msr) = 0;
  virtual Result<MpState> GetMpState() = 0;
  virtual Status SetMpState(MpState state) = 0;
  virtual VcpuState SaveState() = 0;
  virtual Status RestoreState(const VcpuState& state) = 0;
  virtual Status InjectNmi() = 0;
  // A message for LINT1 of the local APIC is what the NMI button is; true when it is not masked.
  virtual Result<bool> Lint1AcceptsNmi() = 0;
  // Tells the guest's watchdog that the clock stood still (KVM_KVMCLOCK_CTRL). Fails when the guest
  // has no kvmclock.
  virtual Status NotifyClockPaused() = 0;
  // Guest virtual to guest physical by the current paging; nullopt: not mapped.
  virtual Result<uint64_t> Translate(uint64_t linear_address) = 0;
  // An 8259's ExtINT, when no in-kernel PIC exists (split irqchip).
  virtual bool ReadyForInterrupt() const = 0;
  virtual Status InjectExternalInterrupt(uint8_t vector) = 0;
  virtual void RequestIrqWindow(bool on) = 0;

  // Writes of any vCPU to the VM's zones (Vm::CollectWrites), oldest first. Those of a vCPU are
  // there when its Run() returns. Any thread; TakeWrites() one at a time.
  virtual bool HasWrites() const = 0;
  // HasWrites() stays true until fn has returned for the last one.
  virtual void TakeWrites(const std::function<void(const CollectedWrite&)>& fn) = 0;
};

struct IoEventAddress {
  bool pio = false;
  uint64_t address = 0;
  uint32_t length = 0;  // 0: any length
  bool match_data = false;
  uint64_t data = 0;
};

class Vm {
 public:
  virtual ~Vm() = default;
  // size 0 removes the slot. host_address stays mapped as long as the slot is there.
  virtual Status SetMemorySlot(uint32_t slot, uint64_t gpa, uint64_t size, uint64_t host_address,
                               bool readonly) = 0;
  virtual Status SetTssAddress(uint64_t gpa) = 0;
  virtual Status SetIdentityMapAddress(uint64_t gpa) = 0;
  virtual Status CreateIrqchip() = 0;
  virtual Status EnableSplitIrqchip(uint32_t pins) = 0;
  virtual Status EnableX2apicIds() = 0;
  // speaker: port 0x61 is emulated by KVM too.
  virtual Status CreatePit(bool speaker) = 0;
  // The guest's HLT, PAUSE and MWAIT do not exit (-overcommit cpu-pm=on).
  virtual Status DisableExits() = 0;
  virtual Status SetIrqLine(uint32_t gsi, bool level) = 0;
  virtual Status SetGsiRouting(const std::vector<GsiRoute>& routes) = 0;
  virtual Status SignalMsi(Msi msi) = 0;
  // resample_fd -1: edge. The fds may be closed afterwards.
  virtual Status AddIrqfd(int event_fd, uint32_t gsi, int resample_fd) = 0;
  virtual Status RemoveIrqfd(int event_fd, uint32_t gsi) = 0;
  virtual Status AddIoeventfd(int event_fd, const IoEventAddress& where) = 0;
  virtual Status RemoveIoeventfd(int event_fd, const IoEventAddress& where) = 0;
  // From now on writes to the zone do not end Run() but wait in a ring, while that has room.
  // Error: the kernel cannot (Cap::kCoalescedMmio, kCoalescedPio).
  virtual Status CollectWrites(const WriteZone& zone) = 0;
  virtual Result<uint64_t> GetClock() = 0;  // kvmclock, ns
  virtual Status SetClock(uint64_t ns) = 0;
  // with_pit: a PIT was created.
  virtual Result<IrqchipState> SaveIrqchip(bool with_pit) = 0;
  virtual Status RestoreIrqchip(const IrqchipState& state) = 0;
  virtual Result<std::unique_ptr<Vcpu>> CreateVcpu(uint32_t apic_id) = 0;
  virtual int Capability(Cap cap) const = 0;  // 0: absent
};

class System {
 public:
  virtual ~System() = default;
  // Error: says what is wrong and what to do about it.
  static Result<std::unique_ptr<System>> Open(const std::string& path = "/dev/kvm");
  // Whether the host has KVM at all (query-kvm's "present").
  static bool Present(const std::string& path = "/dev/kvm");

  virtual int Capability(Cap cap) const = 0;  // 0: absent
  virtual Result<std::vector<CpuidEntry>> SupportedCpuid() const = 0;
  // MSRs that hold CPU capabilities (VMX, ARCH_CAPABILITIES).
  virtual Result<uint64_t> FeatureMsr(uint32_t index) const = 0;
  virtual Result<std::unique_ptr<Vm>> CreateVm() = 0;
};

}  // namespace davit::kvm
