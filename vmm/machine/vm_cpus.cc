// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vm_impl.h: the VM's CPUs, at the start and at run time.
#include <fmt/format.h>

#include <utility>

#include "vmm/base/log.h"
#include "vmm/cpu/model.h"
#include "vmm/cpu/model_expansion.h"
#include "vmm/devices/acpi_cpu_hotplug.h"
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

Result<cpu::HostCpu> VmImpl::HostCpu() const {
  cpu::HostCpu host;
  DAVIT_ASSIGN(host.supported, system_->SupportedCpuid());
  host.brand = HostCpuBrand();
  host.tsc_deadline = system_->Capability(kvm::Cap::kTscDeadlineTimer) != 0;
  host.mwait = config_.overcommit.cpu_pm;
  return host;
}

Status VmImpl::BuildCpus() {
  if (qtest_accel_ != nullptr) {
    DAVIT_ASSIGN(idle_cpus_, IdleCpus::Create(topology_, config_.debug_threads));
  } else {
    DAVIT_ASSIGN(const cpu::HostCpu host, HostCpu());
    DAVIT_ASSIGN(cpu::CpuModel model, cpu::BuildModel(CpuModelText(), host));
    for (const std::string& warning : model.warnings) DAVIT_LOG_WARN("{}", warning);
    DAVIT_ASSIGN(cpus_, machine::Cpus::Create(*vm_, std::move(model), topology_, *exits_,
                                              {.thread_names = config_.debug_threads}));
  }
  for (const CpuSet::Thread& cpu : cpu_set()->Threads()) {
    cpu_slots_->FillAtStart(cpu.index);
    if (board_->cpu_hotplug() != nullptr) board_->cpu_hotplug()->Plug(cpu.index, false);
  }
  board_->OnCpuCount(cpu_slots_->present());
  return {};
}

// --- coming and going --------------------------------------------------------------------------

Result<uint32_t> VmImpl::PlugCpu(const CpuIds& ids, const CpuHost::Device& device) {
  DAVIT_ASSIGN(const uint32_t index, cpu_slots_->Find(device.driver, ids));
  devices::AcpiCpuHotplug* const registers = board_->cpu_hotplug();
  if (registers == nullptr) {
    return Fail(
        fmt::format("virt: device plug request for unsupported device type: {}", device.driver));
  }
  DAVIT_TRY(cpu_set()->Add(index));
  cpu_slots_->Fill(index, device);
  board_->OnCpuCount(cpu_slots_->present());
  if (state_.running()) cpu_set()->Start(index);
  registers->Plug(index, built_);
  return index;
}

Status VmImpl::RequestCpuRemoval(uint32_t index) {
  devices::AcpiCpuHotplug* const registers = board_->cpu_hotplug();
  if (registers == nullptr) {
    return Fail(fmt::format("unplug not supported by {}", row_->info.name));
  }
  if (index == 0) return Fail("Boot CPU is unpluggable");
  if (!registers->RequestRemoval(index)) {
    return Fail(fmt::format("acpi: device unplug request for not supported device type: {}",
                            cpu_slots_->type()));
  }
  return {};
}

void VmImpl::UnplugCpu(uint32_t index) {
  if (cpu_set() == nullptr) return;  // the VM itself ends
  cpu_set()->Remove(index);
  cpu_slots_->Clear(index);
  board_->cpu_hotplug()->Unplug(index);
  board_->OnCpuCount(cpu_slots_->present());
}

void VmImpl::CpuEjected(uint32_t index) {
  const CpuSlots::Slot cpu = cpu_slots_->at(index);
  if (!cpu.present) return;
  Emit(control::DeviceDeletedEvent{{}, cpu.path + "/lapic"});
  if (cpu.ejected) {
    cpu.ejected();
    return;
  }
  UnplugCpu(index);
  Emit(control::DeviceDeletedEvent{{}, cpu.path});
}

void VmImpl::CpuRefused(uint32_t index) {
  const CpuSlots::Slot& cpu = cpu_slots_->at(index);
  if (cpu.present) Emit(control::DeviceUnplugGuestErrorEvent{cpu.id, cpu.path});
}

// --- queries -----------------------------------------------------------------------------------

std::vector<control::CpuInfo> VmImpl::Cpus() const {
  std::vector<control::CpuInfo> infos;
  if (cpu_set() == nullptr) return infos;
  const std::vector<CpuSet::Thread> threads = cpu_set()->Threads();
  infos.reserve(threads.size());
  for (const CpuSet::Thread& cpu : threads) {
    infos.push_back(cpu_slots_->InfoOf(cpu.index, cpu.id));
  }
  return infos;
}

namespace {

// nullopt: not of a type that a CPU's property has.
std::optional<cpu::ModelValue> ToModelValue(const control::PropertyValue& value) {
  if (const bool* on = std::get_if<bool>(&value.value)) return *on;
  if (const auto* number = std::get_if<uint64_t>(&value.value)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value.value); number != nullptr && *number >= 0) {
    return static_cast<uint64_t>(*number);
  }
  if (const auto* text = std::get_if<std::string>(&value.value)) return *text;
  return std::nullopt;
}

}  // namespace

Result<control::CpuModelInfo> VmImpl::ExpandCpuModel(const control::CpuModelInfo& model,
                                                     control::CpuModelExpansion kind) const {
  if (system_ == nullptr) return Fail("CPU models are those of KVM, and it is not used");
  const bool full = kind == control::CpuModelExpansion::kFull;
  cpu::ModelProperties given;
  for (const auto& [name, value] : model.props) {
    auto typed = ToModelValue(value);
    if (!typed) return Fail(fmt::format("Property '{}' doesn't take this value", name));
    given.emplace_back(name, std::move(*typed));
  }
  DAVIT_ASSIGN(const cpu::HostCpu host, HostCpu());
  DAVIT_ASSIGN(cpu::ModelProperties props, cpu::ExpandModel(model.name, given, host, full));
  control::CpuModelInfo info{full ? model.name : "base", {}};
  for (auto& [name, value] : props) {
    info.props.push_back(
        {name, std::visit([](auto& v) { return control::PropertyValue{v}; }, value)});
  }
  return info;
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
  std::vector<control::AcpiSlotStatus> slots = DimmSlots();
  const devices::AcpiCpuHotplug* const registers = board_->cpu_hotplug();
  if (registers == nullptr || !registers->modern()) return slots;
  for (uint32_t i = 0; i < cpu_slots_->size(); ++i) {
    slots.push_back(ReportOn(i, registers->cpu(i)));
  }
  return slots;
}

control::AcpiSlotStatus VmImpl::ReportOn(uint32_t index,
                                         const devices::AcpiCpuHotplug::Cpu& cpu) const {
  return {.type = control::AcpiSlotStatus::Type::kCpu,
          .device = cpu.present ? cpu_slots_->at(index).id : std::string(),
          .slot = std::to_string(index),
          .source = cpu.ost_event,
          .status = cpu.ost_status};
}

}  // namespace davit::machine
