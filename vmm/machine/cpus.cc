// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See cpus.h.
#include "vmm/machine/cpus.h"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "vmm/base/log.h"
#include "vmm/machine/cpu_registers.h"

namespace davit::machine {
namespace {

// As in QEMU, what the processors share for their APICs comes behind the first one.
std::string QomPath(int64_t index) {
  return fmt::format("/machine/unattached/device[{}]", index == 0 ? 0 : index + 1);
}

constexpr uint32_t kMsrTsc = 0x10;
constexpr uint32_t kMsrMtrrDefType = 0x2ff;
// MTRRs on, write-back by default: what firmware would have left.
constexpr uint64_t kMtrrWriteBack = 1U << 11 | 6;

Status CheckCount(const kvm::Vm& vm, uint32_t cpus) {
  const int soft = vm.Capability(kvm::Cap::kNrVcpus), hard = vm.Capability(kvm::Cap::kMaxVcpus);
  if (hard > 1 && cpus > static_cast<uint32_t>(hard)) {
    return Fail(fmt::format(
        "Number of SMP cpus requested ({}) exceeds the maximum cpus supported by KVM ({})", cpus,
        hard));
  }
  if (soft > 1 && cpus > static_cast<uint32_t>(soft)) {
    DAVIT_LOG_WARN(
        "Number of SMP cpus requested ({}) exceeds the recommended cpus supported by KVM ({})",
        cpus, soft);
  }
  return {};
}

// The state after power-on. A TSC of 0 is KVM's word for "in step with the other vCPUs"; values
// that were read one after another would set them apart.
kvm::VcpuState ResetStateOf(kvm::Vcpu& vcpu) {
  kvm::VcpuState state = vcpu.SaveState();
  for (kvm::Msr& msr : state.msrs) {
    if (msr.index == kMsrTsc) msr.value = 0;
  }
  return state;
}

}  // namespace

Result<std::unique_ptr<Cpus>> Cpus::Create(kvm::Vm& vm, const cpu::CpuModel& model,
                                           const cpu::Topology& topology, cpu::ExitHandler& handler,
                                           const Options& options) {
  DAVIT_TRY(CheckCount(vm, topology.cpus));
  std::unique_ptr<Cpus> cpus(new Cpus(vm, topology));
  for (uint32_t i = 0; i < topology.cpus; ++i) {
    auto vcpu = vm.CreateVcpu(topology.ApicIdOf(i));
    if (!vcpu) return Fail(fmt::format("kvm: CPU {}: {}", i, vcpu.error().message));
    if (auto set = (*vcpu)->SetCpuid(cpu::CpuidOf(model, topology, i)); !set) {
      return Fail(fmt::format("kvm: CPU {}: {}", i, set.error().message));
    }
    if (auto set = (*vcpu)->SetMsr({kMsrMtrrDefType, kMtrrWriteBack}); !set) {
      DAVIT_LOG_DEBUG("CPU {}: {}", i, set.error().message);
    }
    cpus->reset_states_.push_back(ResetStateOf(**vcpu));
    try {
      cpus->threads_.push_back(std::make_unique<cpu::VcpuThread>(
          i, std::move(*vcpu), handler,
          options.thread_names ? fmt::format("CPU {}/KVM", i) : std::string()));
    } catch (const std::system_error& error) {
      return Fail(fmt::format("cannot start the thread of CPU {}: {}", i, error.code().message()));
    }
  }
  cpus->Pause();
  return cpus;
}

void Cpus::Pause() {
  for (auto& thread : threads_) thread->RequestPause();
  for (auto& thread : threads_) thread->WaitParked();
}

void Cpus::Resume() {
  for (auto& thread : threads_) thread->Resume();
}

Status Cpus::Reset(const std::optional<boot::BootEntry>& entry) {
  held_tscs_.clear();
  for (size_t i = 0; i < threads_.size(); ++i) {
    kvm::Vcpu& vcpu = threads_[i]->vcpu();
    DAVIT_TRY(vcpu.RestoreState(reset_states_[i]));
    if (i == 0 && entry) DAVIT_TRY(ApplyBootEntry(vcpu, *entry));
  }
  return {};
}

void Cpus::HoldClocks() {
  held_tscs_.clear();
  for (auto& thread : threads_) {
    auto tsc = thread->vcpu().GetMsr(kMsrTsc);
    held_tscs_.push_back(tsc ? std::optional(*tsc) : std::nullopt);
  }
  if (auto clock = vm_.GetClock()) held_clock_ = *clock;
}

void Cpus::ReleaseClocks() {
  for (size_t i = 0; i < held_tscs_.size(); ++i) {
    if (!held_tscs_[i]) continue;
    if (auto set = threads_[i]->vcpu().SetMsr({kMsrTsc, *held_tscs_[i]}); !set) {
      DAVIT_LOG_DEBUG("CPU {}: {}", i, set.error().message);
    }
  }
  held_tscs_.clear();
  if (!held_clock_) return;
  if (auto set = vm_.SetClock(*held_clock_); !set) DAVIT_LOG_WARN("{}", set.error().message);
  held_clock_.reset();
  // EINVAL: the guest has no kvmclock.
  for (auto& thread : threads_) (void)thread->vcpu().NotifyClockPaused();
}

Status Cpus::InjectNmi() {
  Status status;
  for (auto& thread : threads_) {
    thread->RunOn([&status](kvm::Vcpu& vcpu) {
      auto accepts = vcpu.Lint1AcceptsNmi();
      if (!accepts) {
        status = Fail(accepts.error());
      } else if (*accepts) {
        if (auto injected = vcpu.InjectNmi(); !injected) status = injected;
      }
    });
  }
  return status;
}

control::CpuInfo InfoOf(const cpu::Topology& topology, uint32_t index, int64_t thread_id) {
  const cpu::ThreadId id = topology.IdOf(index);
  control::CpuInfo info;
  info.index = index;
  info.host_tid = thread_id;
  info.qom_path = QomPath(index);
  info.topology = {id.socket, id.die, id.core, id.thread};
  return info;
}

std::vector<control::CpuInfo> Cpus::Infos() const {
  std::vector<control::CpuInfo> infos;
  for (const auto& thread : threads_) {
    infos.push_back(InfoOf(topology_, thread->index(), thread->thread_id()));
  }
  return infos;
}

Result<std::vector<control::CpuRegisters>> Cpus::Registers() {
  std::vector<control::CpuRegisters> all;
  for (auto& thread : threads_) {
    Result<control::CpuRegisters> one = Fail("not run");
    thread->RunOn([&one](kvm::Vcpu& vcpu) { one = ReadRegisters(vcpu); });
    if (!one) return Fail(one.error());
    all.push_back(*one);
  }
  return all;
}

}  // namespace davit::machine
