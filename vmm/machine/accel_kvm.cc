// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See accel_kvm.h.
#include "vmm/machine/accel_kvm.h"

#include "vmm/base/check.h"
#include "vmm/base/log.h"

namespace davit::machine {
namespace {

kvm::IoEventAddress AddressOf(const bus::Doorbell& doorbell) {
  kvm::IoEventAddress where;
  where.pio = doorbell.port;
  where.address = doorbell.address;
  where.length = doorbell.size;
  where.match_data = doorbell.value.has_value();
  where.data = doorbell.value.value_or(0);
  return where;
}

}  // namespace

KvmAccel::KvmAccel(kvm::Vm& vm, io::EventLoop& loop, Irqchip irqchip)
    : vm_(vm),
      loop_(loop),
      table_(vm,
             irqchip == Irqchip::kInKernel ? irq::GsiTable::InKernelPins()
                                           : std::vector<kvm::GsiRoute>(),
             devices::Ioapic::kPins),
      msi_(vm, table_),
      doorbells_(vm) {
  if (irqchip == Irqchip::kInKernel) return;
  ioapic_sink_.emplace(vm, table_);
  ioapic_.emplace(*ioapic_sink_);
}

irq::IrqLine& KvmAccel::Line(uint32_t gsi) {
  DAVIT_CHECK(gsi < lines_.size());
  if (ioapic_) return ioapic_->pin(gsi);
  if (!lines_[gsi]) lines_[gsi].emplace(vm_, gsi);
  return *lines_[gsi];
}

void KvmAccel::CollectWrites(const kvm::WriteZone& zone) {
  if (auto collects = vm_.CollectWrites(zone); !collects) {
    DAVIT_LOG_DEBUG("each write to 0x{:x} exits: {}", zone.address, collects.error().message);
  }
}

Status KvmAccel::Doorbells::Bind(const bus::Doorbell& doorbell, int event_fd) {
  return vm_.AddIoeventfd(event_fd, AddressOf(doorbell));
}

void KvmAccel::Doorbells::Unbind(const bus::Doorbell& doorbell, int event_fd) {
  if (auto removed = vm_.RemoveIoeventfd(event_fd, AddressOf(doorbell)); !removed) {
    DAVIT_LOG_WARN("{}", removed.error().message);
  }
}

}  // namespace davit::machine
