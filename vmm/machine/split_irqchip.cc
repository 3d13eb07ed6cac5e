// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See split_irqchip.h.
#include "vmm/machine/split_irqchip.h"

#include <utility>
#include <vector>

#include "vmm/base/log.h"

namespace davit::machine {

using devices::Ioapic;

void SplitIrqchipSink::Deliver(unsigned, const Ioapic::Message& message) {
  // The destination is the guest's choice and may not exist.
  auto sent = vm_.SignalMsi({message.address, message.data});
  if (!sent) DAVIT_LOG_GUEST_ERROR("IOAPIC: {}", sent.error().message);
}

void SplitIrqchipSink::EntryChanged(unsigned pin, const Ioapic::Message& message) {
  if (entries_[pin] == message) return;
  entries_[pin] = message;
  std::vector<kvm::GsiRoute> routes;
  for (unsigned i = 0; i < Ioapic::kPins; ++i) {
    const Ioapic::Message& entry = entries_[i];
    if (entry.masked) continue;
    kvm::GsiRoute route;
    route.gsi = i;
    route.target = kvm::Msi{entry.address, entry.data};
    routes.push_back(route);
  }
  auto set = table_.SetPins(std::move(routes));
  if (!set) DAVIT_LOG_GUEST_ERROR("IOAPIC: {}", set.error().message);
}

}  // namespace davit::machine
