// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// kvm::System over /dev/kvm.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "vmm/base/unique_fd.h"
#include "vmm/kvm/ioctl.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/vm_impl.h"

namespace davit::kvm {

Result<int> Ioctl(int fd, unsigned long request, void* argument, const char* name) {
  int rc;
  do {
    rc = ioctl(fd, request, argument);
  } while (rc < 0 && errno == EINTR);
  if (rc < 0) {
    const int err = errno;
    return FailErrno(fmt::format("{} failed", name), err);
  }
  return rc;
}

Result<int> Ioctl(int fd, unsigned long request, unsigned long argument, const char* name) {
  return Ioctl(fd, request, reinterpret_cast<void*>(argument), name);
}

long ExtensionOf(Cap cap) {
  switch (cap) {
    case Cap::kIrqchip:
      return KVM_CAP_IRQCHIP;
    case Cap::kSplitIrqchip:
      return KVM_CAP_SPLIT_IRQCHIP;
    case Cap::kPit2:
      return KVM_CAP_PIT2;
    case Cap::kNrVcpus:
      return KVM_CAP_NR_VCPUS;
    case Cap::kMaxVcpus:
      return KVM_CAP_MAX_VCPUS;
    case Cap::kMaxVcpuId:
      return KVM_CAP_MAX_VCPU_ID;
    case Cap::kTscDeadlineTimer:
      return KVM_CAP_TSC_DEADLINE_TIMER;
    case Cap::kKvmclockCtrl:
      return KVM_CAP_KVMCLOCK_CTRL;
    case Cap::kX2apicApi:
      return KVM_CAP_X2APIC_API;
    case Cap::kDisableExits:
      return KVM_CAP_X86_DISABLE_EXITS;
    case Cap::kImmediateExit:
      return KVM_CAP_IMMEDIATE_EXIT;
    case Cap::kNrMemslots:
      return KVM_CAP_NR_MEMSLOTS;
    case Cap::kReadonlyMem:
      return KVM_CAP_READONLY_MEM;
    case Cap::kTscControl:
      return KVM_CAP_TSC_CONTROL;
    case Cap::kCoalescedMmio:
      return KVM_CAP_COALESCED_MMIO;
    case Cap::kCoalescedPio:
      return KVM_CAP_COALESCED_PIO;
  }
  return -1;
}

namespace {

class RealSystem final : public System {
 public:
  explicit RealSystem(UniqueFd fd) : fd_(std::move(fd)) {}

  int Capability(Cap cap) const override {
    const int value = ioctl(fd_.get(), KVM_CHECK_EXTENSION, ExtensionOf(cap));
    return value > 0 ? value : 0;
  }

  Result<std::vector<CpuidEntry>> SupportedCpuid() const override {
    for (uint32_t room = 128;; room *= 2) {
      std::vector<uint8_t> buffer(sizeof(kvm_cpuid2) + room * sizeof(kvm_cpuid_entry2));
      auto* cpuid = reinterpret_cast<kvm_cpuid2*>(buffer.data());
      cpuid->nent = room;
      if (ioctl(fd_.get(), KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
        if (errno == E2BIG && room < 4096) continue;
        return FailErrno("KVM_GET_SUPPORTED_CPUID failed");
      }
      std::vector<CpuidEntry> entries;
      for (uint32_t i = 0; i < cpuid->nent; ++i) {
        const kvm_cpuid_entry2& e = EntriesAfter<kvm_cpuid_entry2>(cpuid)[i];
        entries.push_back({e.function, e.index, (e.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0,
                           e.eax, e.ebx, e.ecx, e.edx});
      }
      return entries;
    }
  }

  Result<uint64_t> FeatureMsr(uint32_t index) const override {
    struct {
      kvm_msrs header;
      kvm_msr_entry entry;
    } one{};
    one.header.nmsrs = 1;
    one.entry.index = index;
    DAVIT_ASSIGN(const int read, Ioctl(fd_.get(), KVM_GET_MSRS, &one, "KVM_GET_MSRS"));
    if (read != 1) return Fail(fmt::format("KVM has no feature MSR 0x{:x}", index));
    return one.entry.data;
  }

  Result<std::unique_ptr<Vm>> CreateVm() override {
    DAVIT_ASSIGN(const int vm, Ioctl(fd_.get(), KVM_CREATE_VM, 0UL, "KVM_CREATE_VM"));
    UniqueFd vm_fd(vm);
    DAVIT_ASSIGN(const int run_size,
                 Ioctl(fd_.get(), KVM_GET_VCPU_MMAP_SIZE, 0UL, "KVM_GET_VCPU_MMAP_SIZE"));
    return MakeVm(std::move(vm_fd), fd_.get(), static_cast<size_t>(run_size));
  }

 private:
  UniqueFd fd_;
};

}  // namespace

bool System::Present(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

Result<std::unique_ptr<System>> System::Open(const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) {
    const int err = errno;
    const char* advice = "";
    if (err == ENOENT) {
      advice =
          " (load the kvm_intel or kvm_amd module, or enable virtualization in the firmware or in "
          "the outer hypervisor)";
    } else if (err == EACCES || err == EPERM) {
      advice =
          " (add this user to the group that owns the device, usually 'kvm', and log in again)";
    } else if (err == ENODEV || err == ENXIO) {
      advice = " (the kvm module is not loaded or the CPU has no virtualization)";
    }
    return Fail(fmt::format("Could not access KVM kernel module: {}: {}{}", path,
                            std::strerror(err), advice));
  }
  const int version = ioctl(fd.get(), KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION) {
    return Fail(version < 0 ? fmt::format("{} is not KVM", path)
                            : fmt::format("kvm version {} not supported, {} needed", version,
                                          KVM_API_VERSION));
  }
  auto system = std::make_unique<RealSystem>(std::move(fd));
  if (system->Capability(Cap::kImmediateExit) == 0) {
    return Fail("kvm does not support KVM_CAP_IMMEDIATE_EXIT: a kernel of 4.13 or newer is needed");
  }
  return system;
}

}  // namespace davit::kvm
