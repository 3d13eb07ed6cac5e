// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside vmm/machine only: the facade's implementation. Run states and events follow QEMU 7.2's
// main loop: requests are served in the order shutdown, reset, power button, stop. Owner: control
// thread; vCPU threads and devices reach it through Requests alone.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/control/vm_control.h"
#include "vmm/cpu/model.h"
#include "vmm/cpu/topology.h"
#include "vmm/devices/acpi_cpu_hotplug.h"
#include "vmm/devices/memory_hotplug.h"
#include "vmm/kvm/kvm.h"
#include "vmm/machine/accel.h"
#include "vmm/machine/accel_qtest.h"
#include "vmm/machine/board.h"
#include "vmm/machine/cpu_slots.h"
#include "vmm/machine/cpus.h"
#include "vmm/machine/devices/devices.h"
#include "vmm/machine/exits.h"
#include "vmm/machine/idle_cpus.h"
#include "vmm/machine/kvm_memory.h"
#include "vmm/machine/machine_types.h"
#include "vmm/machine/memory_devices.h"
#include "vmm/machine/numa.h"
#include "vmm/machine/object_tree.h"
#include "vmm/machine/qtest_target.h"
#include "vmm/machine/requests.h"
#include "vmm/machine/run_state.h"
#include "vmm/machine/vm.h"
#include "vmm/memory/live_memory.h"
#include "vmm/memory/missing_pages.h"
#include "vmm/memory/ram_block.h"
#include "vmm/qtest/server.h"

namespace davit::virtio {
class Balloon;
}

namespace davit::machine {

class VmImpl final : public control::VmControl, private CpuHost {
 public:
  VmImpl(MachineConfig config, Deps deps);
  ~VmImpl() override;

  // What Vm::Create does after the constructor. Error: nothing runs, destroy this.
  Status Init();

  control::RunState run_state() const override { return state_.state(); }
  bool in_preconfig() const override { return preconfig_; }
  Status ExitPreconfig() override;
  Status SetNumaNode(const control::NumaOption& option) override;
  Status Stop() override;
  Status Cont() override;
  Status SystemReset() override;
  Status SystemPowerdown() override;
  Status SystemWakeup() override;
  void Quit(control::ShutdownCause cause) override;
  Status InjectNmi() override;
  control::ActionPolicy actions() const override { return config_.actions; }
  void SetActions(const control::ActionChange& change) override;

  std::string name() const override { return config_.name; }
  std::string uuid() const override;
  bool kvm_enabled() const override { return system_ != nullptr; }
  bool kvm_present() const override { return kvm::System::Present(); }
  std::string machine_type() const override { return row_->info.name; }
  bool wakeup_suspend_support() const override;
  std::vector<control::CpuInfo> Cpus() const override;
  Result<std::vector<control::HotpluggableCpu>> HotpluggableCpus() const override;
  Result<std::vector<control::AcpiSlotStatus>> AcpiOspmStatus() const override;
  Result<std::vector<control::CpuRegisters>> Registers() const override;
  std::vector<control::CpuDefinition> CpuDefinitions() const override;
  Result<control::CpuModelInfo> ExpandCpuModel(const control::CpuModelInfo& model,
                                               control::CpuModelExpansion kind) const override;
  std::vector<control::MachineTypeInfo> MachineTypes() const override;
  control::MemorySizeSummary MemorySize() const override;
  std::vector<control::MemoryDeviceInfo> MemoryDevices() const override;
  std::vector<control::MemdevInfo> Memdevs() const override { return objects_->Memdevs(); }
  std::vector<control::NumaNodeInfo> NumaNodes() const override;
  std::vector<control::IoThreadInfo> IoThreads() const override { return objects_->IoThreads(); }
  control::QtreeNode::Bus Qtree() const override;
  std::vector<control::PciBus> Pci() override {
    return board_ != nullptr ? board_->Pci() : std::vector<control::PciBus>();
  }
  Status DumpDtb(const std::string& path) override;
  Status SetBalloon(uint64_t target_bytes) override;
  Result<uint64_t> BalloonActual() const override;
  Result<control::QomObject> QomFind(const std::string& path) const override;
  Result<std::optional<control::PropertyValue>> QomGet(const std::string& path,
                                                       const std::string& property) const override;
  Status QomSet(const std::string& path, const std::string& property,
                const control::PropertyValue& value) override;
  Status DeviceAdd(const control::DeviceSpec& spec) override;
  Status DeviceDel(const std::string& id) override;
  Status ObjectAdd(const control::ObjectSpec& spec) override { return objects_->Add(spec); }
  Status ObjectDel(const std::string& id) override { return objects_->Remove(id); }

 private:
  // --- building (vm_build.cc) ---
  Status CheckConfig();
  Status OpenAccel();
  Status CheckMemory() const;
  Status CheckKernel() const;
  Status OpenQtest();
  Status AddObjects();
  Status Build();
  void Unbuild();  // what a failed Build() has left
  Status AddNumaNodes();
  Status AddNumaNode(const control::NumaOption& option);
  Status BuildMemory();
  Result<uint64_t> RamSize() const;
  Result<std::vector<std::shared_ptr<memory::RamBlock>>> UseRam(uint64_t size);
  Status BuildAccel();
  Status BuildKvm();
  Status BuildBoard();
  Status BuildDevices();
  Status CheckAddressBits() const;
  Status ResetMachine();
  Status WriteDeviceTree(const std::string& path) const;

  // --- CPUs (vm_cpus.cc) ---
  std::string CpuModelText() const;      // of -cpu, or the default
  Result<cpu::HostCpu> HostCpu() const;  // there is KVM
  Status BuildCpus();
  // What runs them; null: there are none.
  CpuSet* cpu_set() const;
  Result<uint32_t> PlugCpu(const CpuIds& ids, const CpuHost::Device& device) override;
  Status RequestCpuRemoval(uint32_t index) override;
  std::optional<uint32_t> NodeOfCpu(uint32_t index) const override {
    return cpu_slots_->NodeOf(index);
  }
  void UnplugCpu(uint32_t index) override;
  void CpuEjected(uint32_t index);
  void CpuRefused(uint32_t index);
  control::AcpiSlotStatus ReportOn(uint32_t index, const devices::AcpiCpuHotplug::Cpu& cpu) const;
  // Calls `serve` on the control thread, if the VM is still there. Any thread.

  // --- memory (vm_memory.cc) ---
  std::vector<control::AcpiSlotStatus> DimmSlots() const;
  void DimmReported(const devices::MemoryHotplug::Report& report);  // any thread
  // ACPI_DEVICE_OST of what `report` gives on the control thread. Any thread; a guest can have a
  // bounded number of them on their way, more are lost.
  void PostReport(std::function<control::AcpiSlotStatus()> report);

  // --- running (vm_impl.cc) ---
  void StartAtFirst();  // unless -S
  void StartVm();
  void StopVm(control::RunState state);
  void ServeRequests();
  void DoReset(control::ShutdownCause cause);
  void GuestPanicked(Requests::Pending& pending);
  void WatchdogExpired(Requests::Pending& pending);
  void WatchDisks();
  // Stops the VM when a huge page of the block is missing, as long as the result lives. Null: it
  // has none.
  Result<std::shared_ptr<void>> WatchMissingPages(memory::RamBlock& block);
  void EndProcess(int exit_code);
  void Emit(const control::Event& event);
  void RunSoon(std::function<void()> fn);  // on the control thread, while this lives; any thread
  QomNode QomTree() const;                 // vm_qom.cc
  void AddCpusTo(QomNode& machine) const;
  // Error: there is none.
  Result<virtio::Balloon*> FindBalloon() const;

  MachineConfig config_;
  const Deps deps_;
  const MachineTypeRow* row_ = nullptr;
  MachineOptions options_;
  cpu::Topology topology_;
  std::optional<Numa> numa_;           // as cpu_slots_
  std::optional<CpuSlots> cpu_slots_;  // from Init() on; nullopt: the machine has no CPUs
  bool preconfig_ = false;
  bool built_ = false;  // devices that come from now on are plugged
  bool ended_ = false;
  bool half_reset_ = false;  // the last reset failed: the guest cannot run before another
  RunStateMachine state_;
  std::unique_ptr<Requests> requests_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // posted work checks it

  std::unique_ptr<ObjectTree> objects_;
  std::unique_ptr<kvm::System> own_system_;
  kvm::System* system_ = nullptr;  // own_system_ or the test's; null: machine none without KVM
  memory::LiveMemory memory_;      // its listeners: the VM's slots or qtest, then the devices
  std::vector<std::shared_ptr<void>> ram_watches_;  // WatchMissingPages()
  uint64_t base_memory_ = 0;                        // bytes that the machine starts with
  std::vector<std::string> ram_ids_;                // of the objects that are the RAM
  std::unique_ptr<kvm::Vm> vm_;
  std::optional<KvmMemory> kvm_memory_;
  std::unique_ptr<Accel> accel_;
  QtestAccel* qtest_accel_ = nullptr;  // accel_ when it is that one; there before Build()
  std::optional<kvm::IrqchipState> irqchip_reset_;
  std::optional<kvm::IrqchipState> irqchip_held_;  // the PIT's time while the guest stands still
  std::unique_ptr<Board> board_;
  std::optional<machine::MemoryDevices> memory_devices_;
  std::atomic<uint32_t> acpi_reports_{0};  // on their way to the control thread
  std::unique_ptr<Devices> devices_;       // on the board's buses
  std::unique_ptr<ExitDispatcher> exits_;
  std::unique_ptr<machine::Cpus> cpus_;  // after the above, which its threads use
  std::unique_ptr<IdleCpus> idle_cpus_;  // in place of cpus_ under qtest
  std::optional<QtestTarget> qtest_target_;
  std::unique_ptr<qtest::Server> qtest_server_;
};

}  // namespace davit::machine
