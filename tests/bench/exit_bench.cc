// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a guest's write to a register costs in each of the three ways: RAM (no exit), KVM's ring of
// collected writes, a trap to this process and its bus. By a loop of 16-bit code on the real KVM.
// Prints a Markdown table; exit status 1 when the order of the ways is not that.
//   bazel run //tests/bench:exit_bench
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <chrono>

#include "vmm/base/check.h"
#include "vmm/bus/bus.h"
#include "vmm/kvm/kvm.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/memory/ram_block.h"

namespace davit::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr uint64_t kRam = 0x10000;
constexpr uint64_t kCode = 0x1000;
constexpr uint16_t kWrites = 30000;
constexpr uint16_t kPort = 0x80;
constexpr uint64_t kMmio = 0x70000;
constexpr int kRounds = 7;

class NoDevice final : public bus::BusDevice {
 public:
  void Read(uint64_t, std::span<uint8_t>) override {}
  void Write(uint64_t, std::span<const uint8_t>) override { ++writes; }
  uint64_t writes = 0;
};

// A VM whose one vCPU runs `instruction` kWrites times and halts.
class Machine {
 public:
  Machine() {
    auto system = kvm::System::Open();
    DAVIT_CHECK(system);
    system_ = std::move(*system);
    auto vm = system_->CreateVm();
    DAVIT_CHECK(vm);
    vm_ = std::move(*vm);
    DAVIT_CHECK(vm_->SetTssAddress(0xfffbd000));
    memory::RamBlockOptions options;
    options.id = "ram";
    options.size = kRam;
    block_ = *memory::RamBlock::Create(options);
    ram_ = *memory::GuestMemory::Create({{{0}, kRam, block_, 0}});
    DAVIT_CHECK(vm_->SetMemorySlot(0, 0, kRam, block_->host_address(), false));
    vcpu_ = *vm_->CreateVcpu(0);
    DAVIT_CHECK(vcpu_->SetCpuid(*system_->SupportedCpuid()));
    DAVIT_CHECK(ports_.Claim(kPort, 1, "nothing", &device_));
    DAVIT_CHECK(mmio_.Claim(kMmio, 4, "nothing", &device_));
  }

  kvm::Vm& vm() { return *vm_; }
  // Nanoseconds of one write. ds: the segment of its memory operand.
  double Measure(const std::vector<uint8_t>& instruction, uint16_t ds, bool reaches_device) {
    // mov cx, kWrites; again: INSTRUCTION; dec cx; jnz again; hlt
    std::vector<uint8_t> code = {0xb9, kWrites & 0xff, kWrites >> 8};
    code.insert(code.end(), instruction.begin(), instruction.end());
    const auto back = static_cast<uint8_t>(-static_cast<int>(instruction.size() + 3));
    code.insert(code.end(), {0x49, 0x75, back, 0xf4});
    DAVIT_CHECK(ram_.Write({kCode}, std::as_bytes(std::span(code))));
    auto special = *vcpu_->GetSpecialRegisters();
    special.cs.base = special.cs.selector = 0;
    special.ds.base = uint64_t{ds} << 4;
    special.ds.selector = ds;
    DAVIT_CHECK(vcpu_->SetSpecialRegisters(special));
    double best = 0;
    for (int round = 0; round < kRounds; ++round) {
      kvm::Registers registers;
      registers.rip = kCode;
      DAVIT_CHECK(vcpu_->SetRegisters(registers));
      device_.writes = 0;
      const auto start = Clock::now();
      RunToHalt();
      const std::chrono::duration<double, std::nano> spent = Clock::now() - start;
      DAVIT_CHECK(device_.writes == (reaches_device ? kWrites : 0));
      const double ns = spent.count() / kWrites;
      if (round == 0 || ns < best) best = ns;
    }
    return best;
  }

 private:
  // As ExitDispatcher does it.
  void RunToHalt() {
    for (;;) {
      auto exit = vcpu_->Run();
      DAVIT_CHECK(exit);
      vcpu_->TakeWrites([this](const kvm::CollectedWrite& write) {
        (write.pio ? ports_ : mmio_).Write(write.address, write.data);
      });
      if (auto* io = std::get_if<kvm::IoExit>(&*exit)) ports_.Write(io->port, io->data);
      if (auto* mmio = std::get_if<kvm::MmioExit>(&*exit)) mmio_.Write(mmio->address, mmio->data);
      if (std::holds_alternative<kvm::HaltExit>(*exit)) return;
    }
  }

  std::unique_ptr<kvm::System> system_;
  std::unique_ptr<kvm::Vm> vm_;
  std::shared_ptr<memory::RamBlock> block_;
  memory::GuestMemory ram_;
  std::unique_ptr<kvm::Vcpu> vcpu_;
  NoDevice device_;
  bus::Bus ports_{"I/O port"}, mmio_{"MMIO"};
};

int Run() {
  const std::vector<uint8_t> out = {0xe6, kPort};                     // out kPort, al
  const std::vector<uint8_t> store = {0xa2, 0x00, 0x00};              // mov [0], al
  constexpr uint16_t kRamSegment = 0x800, kMmioSegment = kMmio >> 4;  // ds
  Machine trapping, collecting;
  const bool pio = collecting.vm().CollectWrites({true, kPort, 1}).has_value();
  const bool mmio = collecting.vm().CollectWrites({false, kMmio, 4}).has_value();
  if (!pio || !mmio) {
    std::printf("this KVM does not collect writes\n");
    return 0;
  }
  const double ram = trapping.Measure(store, kRamSegment, false);
  const double mmio_ring = collecting.Measure(store, kMmioSegment, true);
  const double mmio_trap = trapping.Measure(store, kMmioSegment, true);
  const double pio_ring = collecting.Measure(out, 0, true);
  const double pio_trap = trapping.Measure(out, 0, true);
  std::printf("| a write (ns) | RAM | collected | trapped | trapped / collected |\n");
  std::printf("|---|---|---|---|---|\n");
  std::printf("| MMIO | %.4g | %.4g | %.4g | %.2fx |\n", ram, mmio_ring, mmio_trap,
              mmio_trap / mmio_ring);
  std::printf("| port | - | %.4g | %.4g | %.2fx |\n", pio_ring, pio_trap, pio_trap / pio_ring);
  return ram < mmio_ring && mmio_ring < mmio_trap && pio_ring < pio_trap ? 0 : 1;
}

}  // namespace
}  // namespace davit::bench

int main() { return davit::bench::Run(); }
