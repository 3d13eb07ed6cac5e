// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vm_impl.h: the VM's CPUs, at the start and at run time.
#include <utility>

#include "vmm/base/log.h"
#include "vmm/cpu/model.h"
#include "vmm/machine/host_brand.h"
#include "vmm/machine/vm_impl.h"

namespace davit::machine {

std::string VmImpl::CpuModelText() const {
  if (!config_.cpu.empty()) return config_.cpu;
  return qtest_accel_ != nullptr ? "max" : "host";
}

CpuSet* VmImpl::cpu_set() const {
  if (cpus_ != nullptr) return cpus_.get();
  return idle_cpus_.get();
}

Status VmImpl::BuildCpus() {
  if (qtest_accel_ != nullptr) {
    DAVIT_ASSIGN(idle_cpus_, IdleCpus::Create(topology_, config_.debug_threads));
  } else {
    cpu::HostCpu host;
    DAVIT_ASSIGN(host.supported, system_->SupportedCpuid());
    host.brand = HostCpuBrand();
    host.tsc_deadline = system_->Capability(kvm::Cap::kTscDeadlineTimer) != 0;
    host.mwait = config_.overcommit.cpu_pm;
    DAVIT_ASSIGN(cpu::CpuModel model, cpu::BuildModel(CpuModelText(), host));
    for (const std::string& warning : model.warnings) DAVIT_LOG_WARN("{}", warning);
    DAVIT_ASSIGN(cpus_, machine::Cpus::Create(*vm_, std::move(model), topology_, *exits_,
                                              {.thread_names = config_.debug_threads}));
  }
  for (const CpuSet::Thread& cpu : cpu_set()->Threads()) cpu_slots_->FillAtStart(cpu.index);
  return {};
}

// --- queries -----------------------------------------------------------------------------------

std::vector<control::CpuInfo> VmImpl::Cpus() const {
  std::vector<control::CpuInfo> infos;
  if (cpu_set() == nullptr) return infos;
  for (const CpuSet::Thread& cpu : cpu_set()->Threads()) {
    infos.push_back(cpu_slots_->InfoOf(cpu.index, cpu.id));
  }
  return infos;
}

Result<std::vector<control::CpuRegisters>> VmImpl::Registers() const {
  if (cpu_set() == nullptr) return std::vector<control::CpuRegisters>();
  return cpu_set()->Registers();
}

Result<std::vector<control::HotpluggableCpu>> VmImpl::HotpluggableCpus() const {
  if (!row_->info.hotpluggable_cpus) {
    return Fail("The feature 'query-hotpluggable-cpus' is not enabled");
  }
  return cpu_slots_->Describe();
}

Result<std::vector<control::AcpiSlotStatus>> VmImpl::AcpiOspmStatus() const {
  if (board_ == nullptr) return Fail("command is not supported, missing ACPI device");
  return DimmSlots();
}

}  // namespace davit::machine
