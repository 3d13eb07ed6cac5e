// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// kvm::Vm over a VM file descriptor.
#include <fmt/format.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

#include "vmm/base/log.h"
#include "vmm/kvm/ioctl.h"
#include "vmm/kvm/kvm.h"
#include "vmm/kvm/vm_impl.h"

namespace davit::kvm {
namespace {

// The MSRs that KVM wants saved and restored.
std::vector<uint32_t> MsrIndexList(int system_fd) {
  kvm_msr_list probe{};
  ioctl(system_fd, KVM_GET_MSR_INDEX_LIST, &probe);  // E2BIG: fills in the count
  std::vector<uint32_t> buffer(1 + probe.nmsrs);
  buffer[0] = probe.nmsrs;
  if (probe.nmsrs == 0 || ioctl(system_fd, KVM_GET_MSR_INDEX_LIST, buffer.data()) < 0) return {};
  const uint32_t count = buffer[0];
  buffer.erase(buffer.begin());
  buffer.resize(count);
  return buffer;
}

kvm_ioeventfd Describe(int event_fd, const IoEventAddress& where, uint32_t extra_flags) {
  kvm_ioeventfd event{};
  event.addr = where.address;
  event.len = where.length;
  event.fd = event_fd;
  event.datamatch = where.data;
  event.flags = extra_flags;
  if (where.pio) event.flags |= KVM_IOEVENTFD_FLAG_PIO;
  if (where.match_data) event.flags |= KVM_IOEVENTFD_FLAG_DATAMATCH;
  return event;
}

class RealVm final : public Vm {
 public:
  RealVm(UniqueFd fd, std::vector<uint32_t> msrs, size_t run_size)
      : fd_(std::move(fd)), msrs_(std::move(msrs)), run_size_(run_size) {}

  int Capability(Cap cap) const override {
    const int value = ioctl(fd_.get(), KVM_CHECK_EXTENSION, ExtensionOf(cap));
    return value > 0 ? value : 0;
  }

  Status SetMemorySlot(uint32_t slot, uint64_t gpa, uint64_t size, uint64_t host_address,
                       bool readonly) override {
    kvm_userspace_memory_region region{};
    region.slot = slot;
    region.flags = readonly ? KVM_MEM_READONLY : 0;
    region.guest_phys_addr = gpa;
    region.memory_size = size;
    region.userspace_addr = host_address;
    return Call(KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
  }

  Status SetTssAddress(uint64_t gpa) override {
    auto rc = Ioctl(fd_.get(), KVM_SET_TSS_ADDR, gpa, "KVM_SET_TSS_ADDR");
    return rc ? Status{} : Fail(rc.error());
  }

  Status SetIdentityMapAddress(uint64_t gpa) override {
    return Call(KVM_SET_IDENTITY_MAP_ADDR, &gpa, "KVM_SET_IDENTITY_MAP_ADDR");
  }

  Status CreateIrqchip() override {
    auto rc = Ioctl(fd_.get(), KVM_CREATE_IRQCHIP, 0UL, "KVM_CREATE_IRQCHIP");
    if (!rc) return Fail(rc.error());
    has_lapic_ = true;
    return {};
  }

  Status EnableSplitIrqchip(uint32_t pins) override {
    DAVIT_TRY(Enable(KVM_CAP_SPLIT_IRQCHIP, pins, "KVM_CAP_SPLIT_IRQCHIP"));
    has_lapic_ = true;
    return {};
  }

  Status EnableX2apicIds() override {
    return Enable(KVM_CAP_X2APIC_API,
                  KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
                  "KVM_CAP_X2APIC_API");
  }

  Status CreatePit(bool speaker) override {
    kvm_pit_config config{};
    config.flags = speaker ? KVM_PIT_SPEAKER_DUMMY : 0;
    return Call(KVM_CREATE_PIT2, &config, "KVM_CREATE_PIT2");
  }

  Status DisableExits() override {
    const int supported = ioctl(fd_.get(), KVM_CHECK_EXTENSION, KVM_CAP_X86_DISABLE_EXITS);
    const int wanted = supported & (KVM_X86_DISABLE_EXITS_MWAIT | KVM_X86_DISABLE_EXITS_HLT |
                                    KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_CSTATE);
    if (supported <= 0 || wanted == 0) return Fail("kvm: guest stopping CPU not supported");
    return Enable(KVM_CAP_X86_DISABLE_EXITS, static_cast<uint64_t>(wanted),
                  "KVM_CAP_X86_DISABLE_EXITS");
  }

  Status SetIrqLine(uint32_t gsi, bool level) override {
    kvm_irq_level irq{};
    irq.irq = gsi;
    irq.level = level ? 1 : 0;
    return Call(KVM_IRQ_LINE, &irq, "KVM_IRQ_LINE");
  }

  Status SetGsiRouting(const std::vector<GsiRoute>& routes) override {
    std::vector<uint8_t> buffer(sizeof(kvm_irq_routing) +
                                routes.size() * sizeof(kvm_irq_routing_entry));
    auto* table = reinterpret_cast<kvm_irq_routing*>(buffer.data());
    table->nr = static_cast<uint32_t>(routes.size());
    for (size_t i = 0; i < routes.size(); ++i) {
      kvm_irq_routing_entry& entry = EntriesAfter<kvm_irq_routing_entry>(table)[i];
      entry.gsi = routes[i].gsi;
      if (const Msi* msi = std::get_if<Msi>(&routes[i].target)) {
        entry.type = KVM_IRQ_ROUTING_MSI;
        entry.u.msi.address_lo = static_cast<uint32_t>(msi->address);
        entry.u.msi.address_hi = static_cast<uint32_t>(msi->address >> 32);
        entry.u.msi.data = msi->data;
      } else {
        entry.type = KVM_IRQ_ROUTING_IRQCHIP;
        entry.u.irqchip.irqchip = routes[i].chip;
        entry.u.irqchip.pin = std::get<uint32_t>(routes[i].target);
      }
    }
    return Call(KVM_SET_GSI_ROUTING, table, "KVM_SET_GSI_ROUTING");
  }

  Status SignalMsi(Msi message) override {
    kvm_msi msi{};
    msi.address_lo = static_cast<uint32_t>(message.address);
    msi.address_hi = static_cast<uint32_t>(message.address >> 32);
    msi.data = message.data;
    return Call(KVM_SIGNAL_MSI, &msi, "KVM_SIGNAL_MSI");
  }

  Status AddIrqfd(int event_fd, uint32_t gsi, int resample_fd) override {
    kvm_irqfd irqfd{};
    irqfd.fd = static_cast<uint32_t>(event_fd);
    irqfd.gsi = gsi;
    if (resample_fd >= 0) {
      irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
      irqfd.resamplefd = static_cast<uint32_t>(resample_fd);
    }
    return Call(KVM_IRQFD, &irqfd, "KVM_IRQFD");
  }

  Status RemoveIrqfd(int event_fd, uint32_t gsi) override {
    kvm_irqfd irqfd{};
    irqfd.fd = static_cast<uint32_t>(event_fd);
    irqfd.gsi = gsi;
    irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
    return Call(KVM_IRQFD, &irqfd, "KVM_IRQFD");
  }

  Status AddIoeventfd(int event_fd, const IoEventAddress& where) override {
    kvm_ioeventfd event = Describe(event_fd, where, 0);
    return Call(KVM_IOEVENTFD, &event, "KVM_IOEVENTFD");
  }

  Status RemoveIoeventfd(int event_fd, const IoEventAddress& where) override {
    kvm_ioeventfd event = Describe(event_fd, where, KVM_IOEVENTFD_FLAG_DEASSIGN);
    return Call(KVM_IOEVENTFD, &event, "KVM_IOEVENTFD");
  }

  Status CollectWrites(const WriteZone& zone) override {
    if (Capability(zone.pio ? Cap::kCoalescedPio : Cap::kCoalescedMmio) == 0) {
      return Fail("KVM does not collect writes");
    }
    kvm_coalesced_mmio_zone raw{};
    raw.addr = zone.address;
    raw.size = zone.size;
    raw.pio = zone.pio ? 1 : 0;
    return Call(KVM_REGISTER_COALESCED_MMIO, &raw, "KVM_REGISTER_COALESCED_MMIO");
  }

  Result<uint64_t> GetClock() override {
    kvm_clock_data clock{};
    DAVIT_TRY(Call(KVM_GET_CLOCK, &clock, "KVM_GET_CLOCK"));
    return clock.clock;
  }

  Status SetClock(uint64_t ns) override {
    kvm_clock_data clock{};
    clock.clock = ns;
    return Call(KVM_SET_CLOCK, &clock, "KVM_SET_CLOCK");
  }

  Result<IrqchipState> SaveIrqchip(bool with_pit) override {
    IrqchipState state;
    for (uint32_t id : {KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC}) {
      std::vector<uint8_t> blob(sizeof(kvm_irqchip));
      reinterpret_cast<kvm_irqchip*>(blob.data())->chip_id = id;
      DAVIT_TRY(Call(KVM_GET_IRQCHIP, blob.data(), "KVM_GET_IRQCHIP"));
      state.chips.push_back(std::move(blob));
    }
    if (with_pit) {
      state.pit.resize(sizeof(kvm_pit_state2));
      DAVIT_TRY(Call(KVM_GET_PIT2, state.pit.data(), "KVM_GET_PIT2"));
    }
    return state;
  }

  Status RestoreIrqchip(const IrqchipState& state) override {
    for (std::vector<uint8_t> blob : state.chips) {
      DAVIT_TRY(Call(KVM_SET_IRQCHIP, blob.data(), "KVM_SET_IRQCHIP"));
    }
    if (!state.pit.empty()) {
      std::vector<uint8_t> blob = state.pit;
      DAVIT_TRY(Call(KVM_SET_PIT2, blob.data(), "KVM_SET_PIT2"));
    }
    return {};
  }

  Result<std::unique_ptr<Vcpu>> CreateVcpu(uint32_t apic_id) override {
    DAVIT_ASSIGN(const int fd, Ioctl(fd_.get(), KVM_CREATE_VCPU, apic_id, "KVM_CREATE_VCPU"));
    const int nested = ioctl(fd_.get(), KVM_CHECK_EXTENSION, KVM_CAP_NESTED_STATE);
    return MakeVcpu(UniqueFd(fd), run_size_, msrs_, nested, has_lapic_,
                    Capability(Cap::kCoalescedMmio));
  }

 private:
  Status Call(unsigned long request, void* argument, const char* name) {
    auto rc = Ioctl(fd_.get(), request, argument, name);
    if (!rc) return Fail(rc.error());
    return {};
  }

  Status Enable(uint32_t cap, uint64_t argument, const char* name) {
    kvm_enable_cap enable{};
    enable.cap = cap;
    enable.args[0] = argument;
    return Call(KVM_ENABLE_CAP, &enable, name);
  }

  UniqueFd fd_;
  std::vector<uint32_t> msrs_;
  size_t run_size_;
  bool has_lapic_ = false;
};

}  // namespace

Result<std::unique_ptr<Vm>> MakeVm(UniqueFd vm_fd, int system_fd, size_t run_size) {
  return std::make_unique<RealVm>(std::move(vm_fd), MsrIndexList(system_fd), run_size);
}

}  // namespace davit::kvm
