// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// KVM for unit tests: no kernel, exits are scripted, calls are recorded. A FakeVcpu blocks in Run()
// until an exit is pushed or the immediate-exit flag (polled by condition, as a signal would) is
// set. Any thread; the recorded fields of FakeVm are read when the vCPUs are parked.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "vmm/kvm/kvm.h"

namespace davit::kvm {

class FakeVcpu final : public Vcpu {
 public:
  explicit FakeVcpu(uint32_t apic_id) : apic_id(apic_id) {}

  // --- the test's side ---
  void Push(Exit exit);
  // A port access; data is filled by the device on a read. The pointer stays valid for the vCPU's
  // life.
  uint8_t* PushPort(uint16_t port, bool write, uint8_t value);
  uint8_t* PushMmio(uint64_t address, bool write, std::vector<uint8_t> data);
  // A write to a zone: collected before the next exit that is pushed comes. Here each vCPU has a
  // ring of its own.
  void PushCollected(const WriteZone& place, uint8_t value);
  // Blocks until Run() has consumed every pushed exit and the vCPU is in Run() again.
  void WaitIdle();
  int runs() const;

  const uint32_t apic_id;
  std::vector<CpuidEntry> cpuid;
  Registers registers;
  SpecialRegisters special;
  std::map<uint32_t, uint64_t> msrs;
  MpState mp_state = MpState::kRunnable;
  int restores = 0;
  int clock_notices = 0;
  std::atomic<int> nmis{0};

  // --- Vcpu ---
  Result<Exit> Run() override;
  void SetImmediateExit(bool on) override;
  Status SetCpuid(const std::vector<CpuidEntry>& entries) override;
  Result<Registers> GetRegisters() override { return registers; }
  Status SetRegisters(const Registers& r) override;
  Result<SpecialRegisters> GetSpecialRegisters() override { return special; }
  Status SetSpecialRegisters(const SpecialRegisters& r) override;
  Result<std::vector<uint64_t>> GetDebugRegisters() override;
  Result<uint64_t> GetMsr(uint32_t index) override { return msrs[index]; }
  Status SetMsr(Msr msr) override;
  Result<MpState> GetMpState() override { return mp_state; }
  Status SetMpState(MpState state) override;
  VcpuState SaveState() override;
  Status RestoreState(const VcpuState& state) override;
  Status InjectNmi() override;
  Result<bool> Lint1AcceptsNmi() override { return true; }
  Status NotifyClockPaused() override;
  Result<uint64_t> Translate(uint64_t linear_address) override { return linear_address; }
  bool ReadyForInterrupt() const override { return true; }
  Status InjectExternalInterrupt(uint8_t) override { return {}; }
  void RequestIrqWindow(bool) override {}
  bool HasWrites() const override;
  void TakeWrites(const std::function<void(const CollectedWrite&)>& fn) override;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Exit> exits_;
  std::deque<std::vector<uint8_t>> data_;  // of pushed accesses
  std::deque<std::pair<WriteZone, uint8_t>> collected_;
  bool immediate_exit_ = false;
  bool waiting_ = false;
  int runs_ = 0;
};

class FakeVm final : public Vm {
 public:
  struct Slot {
    uint32_t slot;
    uint64_t gpa, size, host_address;
    bool readonly;
  };
  std::vector<Slot> slots;
  std::vector<std::string> calls;  // "CreateIrqchip", "CreatePit", ...
  std::vector<FakeVcpu*> vcpus;    // owned by their users
  std::map<uint32_t, bool> lines;
  std::vector<GsiRoute> routes;  // the last table set
  std::vector<Msi> msis;
  std::map<int, uint32_t> irqfds;            // fd -> GSI
  std::map<int, IoEventAddress> ioeventfds;  // fd -> where
  std::vector<WriteZone> zones;
  uint64_t clock = 1000;
  std::vector<uint64_t> clock_sets;
  int irqchip_restores = 0;
  std::string fail_call;                               // the call of this name fails
  std::map<Cap, int> caps = {{Cap::kNrMemslots, 32}};  // as FakeSystem's

  Status SetMemorySlot(uint32_t slot, uint64_t gpa, uint64_t size, uint64_t host_address,
                       bool readonly) override;
  Status SetTssAddress(uint64_t) override { return Record("SetTssAddress"); }
  Status SetIdentityMapAddress(uint64_t) override { return Record("SetIdentityMapAddress"); }
  Status CreateIrqchip() override { return Record("CreateIrqchip"); }
  Status EnableSplitIrqchip(uint32_t) override { return Record("EnableSplitIrqchip"); }
  Status EnableX2apicIds() override { return Record("EnableX2apicIds"); }
  Status CreatePit(bool) override { return Record("CreatePit"); }
  Status DisableExits() override { return Record("DisableExits"); }
  Status SetIrqLine(uint32_t gsi, bool level) override;
  Status SetGsiRouting(const std::vector<GsiRoute>& table) override;
  Status SignalMsi(Msi message) override;
  Status AddIrqfd(int event_fd, uint32_t gsi, int resample_fd) override;
  Status RemoveIrqfd(int event_fd, uint32_t gsi) override;
  Status AddIoeventfd(int event_fd, const IoEventAddress& where) override;
  Status RemoveIoeventfd(int event_fd, const IoEventAddress& where) override;
  Status CollectWrites(const WriteZone& zone) override;
  Result<uint64_t> GetClock() override { return clock; }
  Status SetClock(uint64_t ns) override;
  Result<IrqchipState> SaveIrqchip(bool) override { return IrqchipState{}; }
  Status RestoreIrqchip(const IrqchipState&) override;
  Result<std::unique_ptr<Vcpu>> CreateVcpu(uint32_t apic_id) override;
  int Capability(Cap cap) const override;

 private:
  Status Record(std::string call);
  std::mutex mutex_;  // guards what calls change
};

class FakeSystem final : public System {
 public:
  FakeSystem();
  std::vector<CpuidEntry> supported;  // starts as a plain Intel CPU
  std::map<Cap, int> caps;            // default: 1; kNrVcpus 2, kMaxVcpus 1024, kNrMemslots 32
  FakeVm* vm = nullptr;               // the last one made, owned by its user
  std::string fail_vm_call;           // handed to the VM: FakeVm::fail_call
  bool fail_create = false;           // CreateVm() fails

  int Capability(Cap cap) const override;
  Result<std::vector<CpuidEntry>> SupportedCpuid() const override { return supported; }
  Result<uint64_t> FeatureMsr(uint32_t) const override { return 0; }
  Result<std::unique_ptr<Vm>> CreateVm() override;
};

}  // namespace davit::kvm
