// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// kvm::Vcpu over a vCPU file descriptor and its shared run page. What the kernel puts into the run
// page is trusted; what the guest made it put there (addresses, data) is not interpreted here.
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "vmm/base/log.h"
#include "vmm/kvm/convert.h"
#include "vmm/kvm/ioctl.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/vm_impl.h"

namespace davit::kvm {
namespace {

constexpr size_t kMsrBatch = 64;
// As the kernel reckons (KVM_COALESCED_MMIO_MAX, whose PAGE_SIZE is no user space's).
constexpr size_t kPage = 4096;
constexpr uint32_t kRingEntries =
    (kPage - sizeof(kvm_coalesced_mmio_ring)) / sizeof(kvm_coalesced_mmio);

class RealVcpu final : public Vcpu {
 public:
  RealVcpu(UniqueFd fd, kvm_run* run, size_t run_size, std::vector<uint32_t> msrs, int nested_size,
           bool has_lapic, kvm_coalesced_mmio_ring* ring)
      : fd_(std::move(fd)),
        run_(run),
        run_size_(run_size),
        ring_(ring),
        msr_list_(std::move(msrs)),
        nested_size_(nested_size),
        has_lapic_(has_lapic) {}
  ~RealVcpu() override { munmap(run_, run_size_); }

  Result<Exit> Run() override {
    const int rc = ioctl(fd_.get(), KVM_RUN, 0);
    if (rc < 0) {
      const int err = errno;
      if (err == EINTR || err == EAGAIN) return InterruptedExit{};
      // EFAULT: the guest touched memory that the host cannot provide (a truncated file).
      return Internal(0, fmt::format("error: kvm run failed {}", std::strerror(err)));
    }
    return Decode();
  }

  void SetImmediateExit(bool on) override {
    __atomic_store_n(&run_->immediate_exit, static_cast<uint8_t>(on), __ATOMIC_SEQ_CST);
  }

  Status SetCpuid(const std::vector<CpuidEntry>& entries) override {
    std::vector<uint8_t> buffer(sizeof(kvm_cpuid2) + entries.size() * sizeof(kvm_cpuid_entry2));
    auto* cpuid = reinterpret_cast<kvm_cpuid2*>(buffer.data());
    cpuid->nent = static_cast<uint32_t>(entries.size());
    for (size_t i = 0; i < entries.size(); ++i) {
      const CpuidEntry& e = entries[i];
      EntriesAfter<kvm_cpuid_entry2>(cpuid)[i] = {
          .function = e.function,
          .index = e.index,
          .flags = e.significant_index ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0U,
          .eax = e.eax,
          .ebx = e.ebx,
          .ecx = e.ecx,
          .edx = e.edx,
          .padding = {}};
    }
    return Call(KVM_SET_CPUID2, cpuid, "KVM_SET_CPUID2");
  }

  Result<Registers> GetRegisters() override {
    kvm_regs regs{};
    DAVIT_TRY(Call(KVM_GET_REGS, &regs, "KVM_GET_REGS"));
    return FromKernel(regs);
  }

  Status SetRegisters(const Registers& registers) override {
    kvm_regs regs = ToKernel(registers);
    return Call(KVM_SET_REGS, &regs, "KVM_SET_REGS");
  }

  Result<SpecialRegisters> GetSpecialRegisters() override {
    kvm_sregs sregs{};
    DAVIT_TRY(Call(KVM_GET_SREGS, &sregs, "KVM_GET_SREGS"));
    return FromKernel(sregs);
  }

  Status SetSpecialRegisters(const SpecialRegisters& registers) override {
    kvm_sregs sregs = ToKernel(registers);
    return Call(KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
  }

  Result<std::vector<uint64_t>> GetDebugRegisters() override {
    kvm_debugregs regs{};
    DAVIT_TRY(Call(KVM_GET_DEBUGREGS, &regs, "KVM_GET_DEBUGREGS"));
    return std::vector<uint64_t>{regs.db[0], regs.db[1], regs.db[2],
                                 regs.db[3], regs.dr6,   regs.dr7};
  }

  Result<uint64_t> GetMsr(uint32_t index) override {
    MsrBuffer buffer({{index, 0}});
    DAVIT_ASSIGN(const int n, Ioctl(fd_.get(), KVM_GET_MSRS, buffer.get(), "KVM_GET_MSRS"));
    if (n != 1) return Fail(fmt::format("cannot read MSR 0x{:x}", index));
    return buffer.entries()[0].data;
  }

  Status SetMsr(Msr msr) override {
    MsrBuffer buffer({msr});
    DAVIT_ASSIGN(const int n, Ioctl(fd_.get(), KVM_SET_MSRS, buffer.get(), "KVM_SET_MSRS"));
    if (n != 1) {
      return Fail(fmt::format("failed to set MSR 0x{:x} to 0x{:x}", msr.index, msr.value));
    }
    return {};
  }

  Result<MpState> GetMpState() override {
    kvm_mp_state state{};
    DAVIT_TRY(Call(KVM_GET_MP_STATE, &state, "KVM_GET_MP_STATE"));
    return static_cast<MpState>(state.mp_state);
  }

  Status SetMpState(MpState state) override {
    kvm_mp_state raw{};
    raw.mp_state = static_cast<uint32_t>(state);
    return Call(KVM_SET_MP_STATE, &raw, "KVM_SET_MP_STATE");
  }

  VcpuState SaveState() override {
    VcpuState state;
    if (nested_size_ > 0) {
      state.nested.resize(static_cast<size_t>(nested_size_));
      reinterpret_cast<kvm_nested_state*>(state.nested.data())->size =
          static_cast<uint32_t>(nested_size_);
      if (ioctl(fd_.get(), KVM_GET_NESTED_STATE, state.nested.data()) < 0) state.nested.clear();
    }
    state.sregs = Save<kvm_sregs>(KVM_GET_SREGS);
    if (has_lapic_) state.lapic = Save<kvm_lapic_state>(KVM_GET_LAPIC);
    state.regs = Save<kvm_regs>(KVM_GET_REGS);
    state.xsave = Save<kvm_xsave>(KVM_GET_XSAVE);
    state.xcrs = Save<kvm_xcrs>(KVM_GET_XCRS);
    state.events = Save<kvm_vcpu_events>(KVM_GET_VCPU_EVENTS);
    state.mp_state = Save<kvm_mp_state>(KVM_GET_MP_STATE);
    state.debugregs = Save<kvm_debugregs>(KVM_GET_DEBUGREGS);
    SaveMsrs(state.msrs);
    return state;
  }

  Status RestoreState(const VcpuState& state) override {
    Restore(KVM_SET_NESTED_STATE, state.nested);
    // SREGS carries APIC_BASE, which says in which format SET_LAPIC reads its page.
    if (!Restore(KVM_SET_SREGS, state.sregs)) return FailErrno("KVM_SET_SREGS failed");
    Restore(KVM_SET_LAPIC, state.lapic);
    RestoreMsrs(state.msrs);
    if (!Restore(KVM_SET_REGS, state.regs)) return FailErrno("KVM_SET_REGS failed");
    Restore(KVM_SET_XCRS, state.xcrs);
    Restore(KVM_SET_XSAVE, state.xsave);
    Restore(KVM_SET_VCPU_EVENTS, state.events);
    Restore(KVM_SET_MP_STATE, state.mp_state);
    Restore(KVM_SET_DEBUGREGS, state.debugregs);
    return {};
  }

  Status InjectNmi() override {
    auto rc = Ioctl(fd_.get(), KVM_NMI, 0UL, "KVM_NMI");
    if (!rc) return Fail(rc.error());
    return {};
  }

  Result<bool> Lint1AcceptsNmi() override {
    if (!has_lapic_) return true;
    kvm_lapic_state lapic{};
    DAVIT_TRY(Call(KVM_GET_LAPIC, &lapic, "KVM_GET_LAPIC"));
    constexpr size_t kLvtLint1 = 0x360;
    uint32_t lvt = 0;
    std::memcpy(&lvt, &lapic.regs[kLvtLint1], sizeof(lvt));
    constexpr uint32_t kMasked = 1U << 16, kModeMask = 7U << 8, kModeNmi = 4U << 8;
    return (lvt & kMasked) == 0 && (lvt & kModeMask) == kModeNmi;
  }

  Status NotifyClockPaused() override {
    auto rc = Ioctl(fd_.get(), KVM_KVMCLOCK_CTRL, 0UL, "KVM_KVMCLOCK_CTRL");
    if (!rc) return Fail(rc.error());
    return {};
  }

  Result<uint64_t> Translate(uint64_t linear_address) override {
    kvm_translation translation{};
    translation.linear_address = linear_address;
    DAVIT_TRY(Call(KVM_TRANSLATE, &translation, "KVM_TRANSLATE"));
    if (translation.valid == 0) {
      return Fail(fmt::format("linear address 0x{:x} is not mapped", linear_address));
    }
    return translation.physical_address;
  }

  bool ReadyForInterrupt() const override {
    return run_->ready_for_interrupt_injection != 0 && run_->if_flag != 0;
  }

  Status InjectExternalInterrupt(uint8_t vector) override {
    kvm_interrupt interrupt{};
    interrupt.irq = vector;
    return Call(KVM_INTERRUPT, &interrupt, "KVM_INTERRUPT");
  }

  void RequestIrqWindow(bool on) override { run_->request_interrupt_window = on ? 1 : 0; }

  bool HasWrites() const override {
    return ring_ != nullptr && __atomic_load_n(&ring_->first, __ATOMIC_ACQUIRE) !=
                                   __atomic_load_n(&ring_->last, __ATOMIC_ACQUIRE);
  }

  void TakeWrites(const std::function<void(const CollectedWrite&)>& fn) override {
    while (HasWrites()) {
      const uint32_t at = ring_->first % kRingEntries;
      const kvm_coalesced_mmio entry = EntriesAfter<kvm_coalesced_mmio>(ring_)[at];
      fn({entry.pio != 0, entry.phys_addr,
          std::span(entry.data, std::min<size_t>(entry.len, sizeof(entry.data)))});
      __atomic_store_n(&ring_->first, (at + 1) % kRingEntries, __ATOMIC_RELEASE);
    }
  }

 private:
  // kvm_msrs with its entries behind it.
  class MsrBuffer {
   public:
    explicit MsrBuffer(const std::vector<Msr>& msrs)
        : bytes_(sizeof(kvm_msrs) + msrs.size() * sizeof(kvm_msr_entry)) {
      get()->nmsrs = static_cast<uint32_t>(msrs.size());
      for (size_t i = 0; i < msrs.size(); ++i) {
        entries()[i].index = msrs[i].index;
        entries()[i].data = msrs[i].value;
      }
    }
    kvm_msrs* get() { return reinterpret_cast<kvm_msrs*>(bytes_.data()); }
    kvm_msr_entry* entries() { return EntriesAfter<kvm_msr_entry>(get()); }

   private:
    std::vector<uint8_t> bytes_;
  };

  Result<Exit> Decode() {
    switch (run_->exit_reason) {
      case KVM_EXIT_IO: {
        auto* data = reinterpret_cast<uint8_t*>(run_) + run_->io.data_offset;
        return IoExit{run_->io.port, run_->io.direction == KVM_EXIT_IO_OUT, run_->io.size,
                      std::span(data, size_t{run_->io.size} * run_->io.count)};
      }
      case KVM_EXIT_MMIO:
        return MmioExit{run_->mmio.phys_addr, run_->mmio.is_write != 0,
                        std::span(run_->mmio.data, std::min<size_t>(run_->mmio.len, 8))};
      case KVM_EXIT_IOAPIC_EOI:
        return EoiExit{run_->eoi.vector};
      case KVM_EXIT_HLT:
        return HaltExit{};
      case KVM_EXIT_SHUTDOWN:
        return ShutdownExit{};
      case KVM_EXIT_INTR:
        return InterruptedExit{};
      case KVM_EXIT_IRQ_WINDOW_OPEN:
        return IrqWindowExit{};
      case KVM_EXIT_SYSTEM_EVENT:
        return SystemEvent();
      case KVM_EXIT_INTERNAL_ERROR:
        return InternalError();
      case KVM_EXIT_FAIL_ENTRY:
        return Internal(0, fmt::format("KVM: entry failed, hardware error 0x{:x}",
                                       run_->fail_entry.hardware_entry_failure_reason));
      default:
        return Internal(0, fmt::format("KVM: unhandled exit {}", run_->exit_reason));
    }
  }

  Exit SystemEvent() {
    using Type = SystemEventExit::Type;
    switch (run_->system_event.type) {
      case KVM_SYSTEM_EVENT_SHUTDOWN:
        return SystemEventExit{Type::kShutdown};
      case KVM_SYSTEM_EVENT_RESET:
        return SystemEventExit{Type::kReset};
      case KVM_SYSTEM_EVENT_CRASH:
        return SystemEventExit{Type::kCrash};
      default:
        return SystemEventExit{Type::kOther};
    }
  }

  Exit InternalError() {
    const uint32_t suberror = run_->internal.suberror;
    std::string text = fmt::format("KVM internal error. Suberror: {}", suberror);
    if (suberror != KVM_INTERNAL_ERROR_EMULATION) {
      for (uint32_t i = 0; i < std::min<uint32_t>(run_->internal.ndata, 16); ++i) {
        text += fmt::format(" [{}]=0x{:x}", i, run_->internal.data[i]);
      }
      return Internal(suberror, std::move(text));
    }
    InternalErrorExit exit = Internal(suberror, text + ": emulation failure");
    const auto& failure = run_->emulation_failure;
    if (failure.ndata >= 3 &&
        (failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) != 0) {
      const size_t n = std::min<size_t>(failure.insn_size, sizeof(failure.insn_bytes));
      exit.bytes.assign(failure.insn_bytes, failure.insn_bytes + n);
    }
    return exit;
  }

  InternalErrorExit Internal(uint32_t suberror, std::string text) {
    InternalErrorExit exit;
    exit.suberror = suberror;
    exit.description = std::move(text);
    if (auto regs = GetRegisters()) exit.rip = regs->rip;
    return exit;
  }

  Status Call(unsigned long request, void* argument, const char* name) {
    auto rc = Ioctl(fd_.get(), request, argument, name);
    if (!rc) return Fail(rc.error());
    return {};
  }

  template <typename T>
  VcpuState::Blob Save(unsigned long request) {
    VcpuState::Blob blob(sizeof(T));
    if (ioctl(fd_.get(), request, blob.data()) < 0) blob.clear();
    return blob;
  }

  // True: done, or nothing to do.
  bool Restore(unsigned long request, const VcpuState::Blob& blob) {
    if (blob.empty()) return true;
    VcpuState::Blob copy = blob;  // some of these ioctls write back
    return ioctl(fd_.get(), request, copy.data()) >= 0;
  }

  // Saves the MSRs that can be read and also be written back as they are.
  void SaveMsrs(std::vector<Msr>& out) {
    std::vector<Msr> wanted;
    for (uint32_t index : msr_list_) {
      if (bad_msrs_.end() == std::find(bad_msrs_.begin(), bad_msrs_.end(), index)) {
        wanted.push_back({index, 0});
      }
    }
    Transfer(KVM_GET_MSRS, wanted, &out);
    Transfer(KVM_SET_MSRS, out, nullptr);
    std::erase_if(out, [this](const Msr& msr) {
      return bad_msrs_.end() != std::find(bad_msrs_.begin(), bad_msrs_.end(), msr.index);
    });
  }

  void RestoreMsrs(const std::vector<Msr>& msrs) { Transfer(KVM_SET_MSRS, msrs, nullptr); }

  // Goes through msrs in batches; one that the kernel refuses is noted and stepped over.
  void Transfer(unsigned long request, const std::vector<Msr>& msrs, std::vector<Msr>* out) {
    size_t at = 0;
    while (at < msrs.size()) {
      const size_t n = std::min(kMsrBatch, msrs.size() - at);
      MsrBuffer buffer(std::vector<Msr>(msrs.begin() + static_cast<long>(at),
                                        msrs.begin() + static_cast<long>(at + n)));
      const int rc = ioctl(fd_.get(), request, buffer.get());
      const size_t done = rc > 0 ? std::min(static_cast<size_t>(rc), n) : 0;
      for (size_t i = 0; out != nullptr && i < done; ++i) {
        out->push_back({buffer.entries()[i].index, buffer.entries()[i].data});
      }
      at += done;
      if (done < n) bad_msrs_.push_back(msrs[at++].index);
    }
  }

  UniqueFd fd_;
  kvm_run* run_;
  size_t run_size_;
  kvm_coalesced_mmio_ring* const ring_;  // in that mapping; null: the kernel has none
  std::vector<uint32_t> msr_list_;
  std::vector<uint32_t> bad_msrs_;
  int nested_size_;
  bool has_lapic_;
};

}  // namespace

Result<std::unique_ptr<Vcpu>> MakeVcpu(UniqueFd vcpu_fd, size_t run_size,
                                       std::vector<uint32_t> msr_list, int nested_state_size,
                                       bool has_lapic, int ring_page) {
  void* run = mmap(nullptr, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd.get(), 0);
  if (run == MAP_FAILED) return FailErrno("mmap'ing vcpu state failed");
  const size_t ring_at = static_cast<size_t>(ring_page) * kPage;
  kvm_coalesced_mmio_ring* ring = nullptr;
  if (ring_at != 0 && ring_at + kPage <= run_size) {
    ring = reinterpret_cast<kvm_coalesced_mmio_ring*>(static_cast<uint8_t*>(run) + ring_at);
  }
  return std::make_unique<RealVcpu>(std::move(vcpu_fd), static_cast<kvm_run*>(run), run_size,
                                    std::move(msr_list), nested_state_size, has_lapic, ring);
}

}  // namespace davit::kvm
