// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See exits.h.
#include "vmm/machine/exits.h"

#include <fmt/format.h>

#include "vmm/base/log.h"
#include "vmm/base/overloaded.h"

namespace davit::machine {
namespace {

using control::RunState;
using control::ShutdownCause;

void Port(const bus::Bus& ports, kvm::IoExit& io) {
  // A string instruction repeats one access.
  for (size_t at = 0; at + io.size <= io.data.size(); at += io.size) {
    const auto data = io.data.subspan(at, io.size);
    if (io.write) {
      ports.Write(io.port, data);
    } else {
      ports.Read(io.port, data);
    }
  }
}

void Mmio(const bus::Bus& mmio, kvm::MmioExit& access) {
  if (access.write) {
    mmio.Write(access.address, access.data);
  } else {
    mmio.Read(access.address, access.data);
  }
}

}  // namespace

void ExitDispatcher::TakeWrites(kvm::Vcpu& vcpu) {
  // True as long as a write is on its way to its device, on whatever thread.
  if (!vcpu.HasWrites()) return;
  const std::lock_guard lock(writes_mutex_);
  vcpu.TakeWrites([this](const kvm::CollectedWrite& write) {
    (write.pio ? board_.ports() : board_.mmio()).Write(write.address, write.data);
  });
}

void ExitDispatcher::HandleExit(cpu::VcpuThread& vcpu, kvm::Exit& exit) {
  TakeWrites(vcpu.vcpu());
  std::visit(Overloaded{
                 [&](kvm::IoExit& io) { Port(board_.ports(), io); },
                 [&](kvm::MmioExit& access) { Mmio(board_.mmio(), access); },
                 [&](kvm::EoiExit& eoi) { board_.EndOfInterrupt(eoi.vector); },
                 [&](kvm::ShutdownExit&) { TripleFault(vcpu); },
                 [&](kvm::InternalErrorExit& error) { InternalError(vcpu, error); },
                 [&](kvm::SystemEventExit& event) {
                   using Type = kvm::SystemEventExit::Type;
                   if (event.type == Type::kReset) requests_.Reset(ShutdownCause::kGuestReset);
                   if (event.type == Type::kShutdown)
                     requests_.Shutdown(ShutdownCause::kGuestShutdown);
                   if (event.type == Type::kCrash) requests_.Panicked();
                 },
                 [](kvm::HaltExit&) {},
                 [](kvm::InterruptedExit&) {},
                 [](kvm::IrqWindowExit&) {},
             },
             exit);
}

// Some guests reboot so, but most have lost their way: the one trace of it.
void ExitDispatcher::TripleFault(cpu::VcpuThread& vcpu) {
  if (triple_faults_.Allow()) {
    const auto registers = vcpu.vcpu().GetRegisters();
    DAVIT_LOG_WARN("CPU {}: triple fault at RIP={}, the guest is reset", vcpu.index(),
                   registers ? fmt::format("{:016x}", registers->rip) : "?");
  }
  requests_.Reset(ShutdownCause::kGuestReset);
}

void ExitDispatcher::HandleRunError(cpu::VcpuThread& vcpu, const Error& error) {
  DAVIT_LOG_ERROR("CPU {}: {}", vcpu.index(), error.message);
  requests_.Stop(RunState::kInternalError);
}

void ExitDispatcher::InternalError(cpu::VcpuThread& vcpu, const kvm::InternalErrorExit& error) {
  std::vector<uint8_t> bytes = error.bytes;
  if (bytes.empty()) bytes = BytesAtRip(vcpu.vcpu(), error.rip);
  std::string text;
  for (uint8_t byte : bytes) text += fmt::format("{}{:02x}", text.empty() ? "" : " ", byte);
  DAVIT_LOG_ERROR("CPU {}: {}: RIP={:016x} Code={}", vcpu.index(), error.description, error.rip,
                  text.empty() ? "?" : text);
  requests_.Stop(RunState::kInternalError);
}

std::vector<uint8_t> ExitDispatcher::BytesAtRip(kvm::Vcpu& vcpu, uint64_t rip) {
  std::vector<uint8_t> bytes;
  auto special = vcpu.GetSpecialRegisters();
  if (!special) return bytes;
  constexpr size_t kLongestInstruction = 15;
  for (size_t i = 0; i < kLongestInstruction; ++i) {
    auto gpa = vcpu.Translate(special->cs.base + rip + i);
    if (!gpa) break;
    auto byte = memory_.Get().Read<uint8_t>({*gpa});
    if (!byte) break;
    bytes.push_back(*byte);
  }
  return bytes;
}

}  // namespace davit::machine
