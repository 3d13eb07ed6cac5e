// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See cpus.h.
#include "vmm/machine/cpus.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "vmm/base/log.h"
#include "vmm/machine/cpu_registers.h"

namespace davit::machine {
namespace {

constexpr uint32_t kMsrTsc = 0x10;
constexpr uint32_t kMsrMtrrDefType = 0x2ff;
// MTRRs on, write-back by default: what firmware would have left.
constexpr uint64_t kMtrrWriteBack = 1U << 11 | 6;

// What KVM can have; kind: "SMP" for those at the start, "hotpluggable" for all.
Status CheckCount(const kvm::Vm& vm, const char* kind, uint32_t cpus) {
  const int soft = vm.Capability(kvm::Cap::kNrVcpus), hard = vm.Capability(kvm::Cap::kMaxVcpus);
  if (hard > 1 && cpus > static_cast<uint32_t>(hard)) {
    return Fail(fmt::format(
        "Number of {} cpus requested ({}) exceeds the maximum cpus supported by KVM ({})", kind,
        cpus, hard));
  }
  if (soft > 1 && cpus > static_cast<uint32_t>(soft)) {
    DAVIT_LOG_WARN(
        "Number of {} cpus requested ({}) exceeds the recommended cpus supported by KVM ({})", kind,
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

Result<std::unique_ptr<Cpus>> Cpus::Create(kvm::Vm& vm, cpu::CpuModel model,
                                           const cpu::Topology& topology, cpu::ExitHandler& handler,
                                           const Options& options) {
  DAVIT_TRY(CheckCount(vm, "SMP", topology.cpus));
  DAVIT_TRY(CheckCount(vm, "hotpluggable", topology.maxcpus));
  std::unique_ptr<Cpus> cpus(new Cpus(vm, std::move(model), topology, handler, options));
  for (uint32_t i = 0; i < topology.cpus; ++i) DAVIT_TRY(cpus->Add(i));
  return cpus;
}

// --- coming and going --------------------------------------------------------------------------

Status Cpus::Prepare(uint32_t index, Made& made) {
  if (!made.reset_state) {
    if (made.vcpu == nullptr) {
      DAVIT_ASSIGN(made.vcpu, vm_.CreateVcpu(topology_.ApicIdOf(index)));
    }
    DAVIT_TRY(made.vcpu->SetCpuid(cpu::CpuidOf(model_, topology_, index)));
    if (auto set = made.vcpu->SetMsr({kMsrMtrrDefType, kMtrrWriteBack}); !set) {
      DAVIT_LOG_DEBUG("CPU {}: {}", index, set.error().message);
    }
    made.reset_state = ResetStateOf(*made.vcpu);
  }
  // What other CPUs have sent it meanwhile takes effect now and not after its reset. A new one gets
  // its state back, too: KVM leaves its APIC out of the map for interrupts between CPUs until the
  // APIC's state is set.
  (void)made.vcpu->GetMpState();
  return made.vcpu->RestoreState(*made.reset_state);
}

Status Cpus::Add(uint32_t index) {
  Made& made = made_[index];
  if (auto prepared = Prepare(index, made); !prepared) {
    return Fail(fmt::format("kvm: CPU {}: {}", index, prepared.error().message));
  }
  Cpu cpu{&made, nullptr, std::nullopt};
  try {
    cpu.thread = std::make_unique<cpu::VcpuThread>(
        index, *made.vcpu, handler_,
        options_.thread_names ? fmt::format("CPU {}/KVM", index) : std::string());
  } catch (const std::system_error& error) {
    return Fail(
        fmt::format("cannot start the thread of CPU {}: {}", index, error.code().message()));
  }
  if (!cpus_.empty()) cpu.held_tsc = cpus_.front().held_tsc;
  cpus_.push_back(std::move(cpu));
  return {};
}

void Cpus::Start(uint32_t index) {
  for (Cpu& cpu : cpus_) {
    if (cpu.thread->index() == index) cpu.thread->Resume();
  }
}

void Cpus::Remove(uint32_t index) {
  const auto cpu = std::find_if(cpus_.begin(), cpus_.end(), [index](const Cpu& candidate) {
    return candidate.thread->index() == index;
  });
  if (cpu == cpus_.end()) return;
  // So that no access of the guest is left half done.
  cpu->thread->RequestPause();
  cpu->thread->WaitParked();
  cpus_.erase(cpu);
}

// --- all at once -------------------------------------------------------------------------------

void Cpus::Pause() {
  for (Cpu& cpu : cpus_) cpu.thread->RequestPause();
  for (Cpu& cpu : cpus_) cpu.thread->WaitParked();
}

void Cpus::Resume() {
  for (Cpu& cpu : cpus_) cpu.thread->Resume();
}

void Cpus::WhileHeld(const std::function<void()>& fn) {
  for (Cpu& cpu : cpus_) cpu.thread->Hold();
  for (Cpu& cpu : cpus_) cpu.thread->WaitParked();
  fn();
  for (Cpu& cpu : cpus_) cpu.thread->Release();
}

Status Cpus::Reset(const std::optional<boot::BootEntry>& entry) {
  for (Cpu& cpu : cpus_) {
    kvm::Vcpu& vcpu = *cpu.made->vcpu;
    cpu.held_tsc.reset();
    // An INIT that is on its way takes effect now and not after the reset.
    (void)vcpu.GetMpState();
    DAVIT_TRY(vcpu.RestoreState(*cpu.made->reset_state));
    if (cpu.thread->index() == 0 && entry) DAVIT_TRY(ApplyBootEntry(vcpu, *entry));
  }
  return {};
}

void Cpus::HoldClocks() {
  for (Cpu& cpu : cpus_) {
    auto tsc = cpu.made->vcpu->GetMsr(kMsrTsc);
    cpu.held_tsc = tsc ? std::optional(*tsc) : std::nullopt;
  }
  if (auto clock = vm_.GetClock()) held_clock_ = *clock;
}

void Cpus::ReleaseClocks() {
  for (Cpu& cpu : cpus_) {
    const std::optional<uint64_t> tsc = std::exchange(cpu.held_tsc, std::nullopt);
    if (!tsc) continue;
    if (auto set = cpu.made->vcpu->SetMsr({kMsrTsc, *tsc}); !set) {
      DAVIT_LOG_DEBUG("CPU {}: {}", cpu.thread->index(), set.error().message);
    }
  }
  if (!held_clock_) return;
  if (auto set = vm_.SetClock(*held_clock_); !set) DAVIT_LOG_WARN("{}", set.error().message);
  held_clock_.reset();
  // EINVAL: the guest has no kvmclock.
  for (Cpu& cpu : cpus_) (void)cpu.made->vcpu->NotifyClockPaused();
}

Status Cpus::InjectNmi() {
  Status status;
  for (Cpu& cpu : cpus_) {
    cpu.thread->RunOn([&status](kvm::Vcpu& vcpu) {
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

std::vector<CpuSet::Thread> Cpus::Threads() const {
  std::vector<Thread> threads;
  threads.reserve(cpus_.size());
  for (const Cpu& cpu : cpus_) threads.push_back({cpu.thread->index(), cpu.thread->thread_id()});
  return threads;
}

Result<std::vector<control::CpuRegisters>> Cpus::Registers() {
  std::vector<control::CpuRegisters> all;
  all.reserve(cpus_.size());
  for (Cpu& cpu : cpus_) {
    Result<control::CpuRegisters> one = Fail("not run");
    cpu.thread->RunOn([&one](kvm::Vcpu& vcpu) { one = ReadRegisters(vcpu); });
    if (!one) return Fail(one.error());
    one->index = cpu.thread->index();
    all.push_back(*one);
  }
  return all;
}

}  // namespace davit::machine
