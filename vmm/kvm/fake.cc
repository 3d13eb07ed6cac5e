// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See fake.h.
#include "vmm/kvm/fake.h"

#include <utility>

namespace davit::kvm {

void FakeVcpu::Push(Exit exit) {
  std::lock_guard lock(mutex_);
  exits_.push_back(std::move(exit));
  changed_.notify_all();
}

uint8_t* FakeVcpu::PushPort(uint16_t port, bool write, uint8_t value) {
  std::lock_guard lock(mutex_);
  std::vector<uint8_t>& data = data_.emplace_back(1, value);
  exits_.push_back(IoExit{port, write, 1, data});
  changed_.notify_all();
  return data.data();
}

uint8_t* FakeVcpu::PushMmio(uint64_t address, bool write, std::vector<uint8_t> bytes) {
  std::lock_guard lock(mutex_);
  std::vector<uint8_t>& data = data_.emplace_back(std::move(bytes));
  exits_.push_back(MmioExit{address, write, data});
  changed_.notify_all();
  return data.data();
}

void FakeVcpu::PushCollected(const WriteZone& place, uint8_t value) {
  std::lock_guard lock(mutex_);
  collected_.emplace_back(place, value);
}

bool FakeVcpu::HasWrites() const {
  std::lock_guard lock(mutex_);
  return !collected_.empty();
}

void FakeVcpu::TakeWrites(const std::function<void(const CollectedWrite&)>& fn) {
  while (HasWrites()) {
    std::unique_lock lock(mutex_);
    const auto [place, value] = collected_.front();
    lock.unlock();
    fn({place.pio, place.address, std::span(&value, 1)});
    lock.lock();
    collected_.pop_front();
  }
}

void FakeVcpu::WaitIdle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return exits_.empty() && waiting_; });
}

int FakeVcpu::runs() const {
  std::lock_guard lock(mutex_);
  return runs_;
}

Result<Exit> FakeVcpu::Run() {
  std::unique_lock lock(mutex_);
  ++runs_;
  waiting_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return immediate_exit_ || !exits_.empty(); });
  waiting_ = false;
  if (immediate_exit_) return InterruptedExit{};
  Exit exit = std::move(exits_.front());
  exits_.pop_front();
  return exit;
}

void FakeVcpu::SetImmediateExit(bool on) {
  std::lock_guard lock(mutex_);
  immediate_exit_ = on;
  changed_.notify_all();
}

Status FakeVcpu::SetCpuid(const std::vector<CpuidEntry>& entries) {
  cpuid = entries;
  return {};
}
Status FakeVcpu::SetRegisters(const Registers& r) {
  registers = r;
  return {};
}
Status FakeVcpu::SetSpecialRegisters(const SpecialRegisters& r) {
  special = r;
  return {};
}
Result<std::vector<uint64_t>> FakeVcpu::GetDebugRegisters() {
  return std::vector<uint64_t>{0, 0, 0, 0, 0xffff0ff0, 0x400};
}
Status FakeVcpu::SetMsr(Msr msr) {
  msrs[msr.index] = msr.value;
  return {};
}
Status FakeVcpu::SetMpState(MpState state) {
  mp_state = state;
  return {};
}
VcpuState FakeVcpu::SaveState() {
  VcpuState state;
  state.regs = {1};
  for (auto [index, value] : msrs) state.msrs.push_back({index, value});
  return state;
}
Status FakeVcpu::RestoreState(const VcpuState& state) {
  ++restores;
  registers = {};
  special = {};
  msrs.clear();
  for (const Msr& msr : state.msrs) msrs[msr.index] = msr.value;
  mp_state = apic_id == 0 ? MpState::kRunnable : MpState::kUninitialized;
  return {};
}
Status FakeVcpu::InjectNmi() {
  ++nmis;
  return {};
}
Status FakeVcpu::NotifyClockPaused() {
  ++clock_notices;
  return {};
}

Status FakeVm::Record(std::string call) {
  std::lock_guard lock(mutex_);
  if (call == fail_call) return Fail(call + " failed: Invalid argument");
  calls.push_back(std::move(call));
  return {};
}

Status FakeVm::SetMemorySlot(uint32_t slot, uint64_t gpa, uint64_t size, uint64_t host_address,
                             bool readonly) {
  DAVIT_TRY(Record("SetMemorySlot"));
  slots.push_back({slot, gpa, size, host_address, readonly});
  return {};
}

Status FakeVm::SetIrqLine(uint32_t gsi, bool level) {
  std::lock_guard lock(mutex_);
  lines[gsi] = level;
  return {};
}

Status FakeVm::SetGsiRouting(const std::vector<GsiRoute>& table) {
  DAVIT_TRY(Record("SetGsiRouting"));
  const std::lock_guard lock(mutex_);
  routes = table;
  return {};
}

Status FakeVm::SignalMsi(Msi message) {
  DAVIT_TRY(Record("SignalMsi"));
  const std::lock_guard lock(mutex_);
  msis.push_back(message);
  return {};
}

Status FakeVm::AddIrqfd(int event_fd, uint32_t gsi, int) {
  DAVIT_TRY(Record("AddIrqfd"));
  const std::lock_guard lock(mutex_);
  irqfds[event_fd] = gsi;
  return {};
}

Status FakeVm::RemoveIrqfd(int event_fd, uint32_t) {
  DAVIT_TRY(Record("RemoveIrqfd"));
  const std::lock_guard lock(mutex_);
  irqfds.erase(event_fd);
  return {};
}

Status FakeVm::AddIoeventfd(int event_fd, const IoEventAddress& where) {
  DAVIT_TRY(Record("AddIoeventfd"));
  const std::lock_guard lock(mutex_);
  ioeventfds[event_fd] = where;
  return {};
}

Status FakeVm::RemoveIoeventfd(int event_fd, const IoEventAddress&) {
  DAVIT_TRY(Record("RemoveIoeventfd"));
  const std::lock_guard lock(mutex_);
  ioeventfds.erase(event_fd);
  return {};
}

Status FakeVm::CollectWrites(const WriteZone& zone) {
  DAVIT_TRY(Record("CollectWrites"));
  const std::lock_guard lock(mutex_);
  zones.push_back(zone);
  return {};
}

Status FakeVm::SetClock(uint64_t ns) {
  clock_sets.push_back(ns);
  return {};
}

Status FakeVm::RestoreIrqchip(const IrqchipState&) {
  ++irqchip_restores;
  return Record("RestoreIrqchip");
}

Result<std::unique_ptr<Vcpu>> FakeVm::CreateVcpu(uint32_t apic_id) {
  DAVIT_TRY(Record("CreateVcpu"));
  auto vcpu = std::make_unique<FakeVcpu>(apic_id);
  if (apic_id != 0) vcpu->mp_state = MpState::kUninitialized;
  vcpus.push_back(vcpu.get());
  return vcpu;
}

int FakeVm::Capability(Cap cap) const {
  auto it = caps.find(cap);
  return it == caps.end() ? 1 : it->second;
}

FakeSystem::FakeSystem()
    : caps({{Cap::kNrVcpus, 2}, {Cap::kMaxVcpus, 1024}, {Cap::kNrMemslots, 32}}) {
  constexpr uint32_t kFeatures1Edx = 0x078bfbff;
  constexpr uint32_t kFeatures1Ecx = 0x81202000;  // hypervisor, popcnt.., x2apic, cx16
  supported = {
      {0, 0, false, 0x1f, 0x756e6547, 0x6c65746e, 0x49656e69},  // "GenuineIntel"
      {1, 0, false, 0x000306c3, 0, kFeatures1Ecx, kFeatures1Edx},
      {4, 0, true, 0x1c004121, 0x01c0003f, 0x3f, 0},
      {4, 1, true, 0x1c004122, 0x01c0003f, 0x3f, 0},
      {4, 2, true, 0x1c004143, 0x01c0003f, 0x1ff, 0},
      {4, 3, true, 0x1c03c163, 0x03c0003f, 0x1fff, 6},
      {7, 0, true, 0, 0x000007ab, 0, 0},
      {0xd, 0, true, 7, 832, 832, 0},
      {0x40000000, 0, false, 0x40000001, 0x4b4d564b, 0x564b4d56, 0x4d},
      {0x40000001, 0, false, 0x01007efb, 0, 0, 0},
      {0x80000000, 0, false, 0x80000008, 0, 0, 0},
      {0x80000001, 0, false, 0, 0, 0x21, 0x2c100800},
      {0x80000008, 0, false, 0x3027, 0, 0, 0},
  };
}

int FakeSystem::Capability(Cap cap) const {
  auto it = caps.find(cap);
  return it == caps.end() ? 1 : it->second;
}

Result<std::unique_ptr<Vm>> FakeSystem::CreateVm() {
  if (fail_create) return Fail("KVM_CREATE_VM failed: Device or resource busy");
  auto made = std::make_unique<FakeVm>();
  made->fail_call = fail_vm_call;
  made->caps = caps;
  vm = made.get();
  return made;
}

}  // namespace davit::kvm
