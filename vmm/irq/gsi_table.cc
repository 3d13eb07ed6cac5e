// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See gsi_table.h.
#include "vmm/irq/gsi_table.h"

#include <utility>

namespace davit::irq {
namespace {

constexpr uint32_t kPicPrimary = 0, kPicSecondary = 1, kIoapic = 2;  // KVM_IRQCHIP_*
constexpr uint32_t kPicPins = 8, kIoapicPins = 24;

}  // namespace

std::vector<kvm::GsiRoute> GsiTable::InKernelPins() {
  std::vector<kvm::GsiRoute> routes;
  for (uint32_t pin = 0; pin < kIoapicPins; ++pin) {
    routes.push_back({pin, pin, kIoapic});
    if (pin < kPicPins) routes.push_back({pin, pin, kPicPrimary});
    if (pin >= kPicPins && pin < 2 * kPicPins) {
      routes.push_back({pin, pin - kPicPins, kPicSecondary});
    }
  }
  return routes;
}

Status GsiTable::Install(const std::vector<kvm::GsiRoute>& pins, const Messages& messages) {
  if (pins.size() + messages.size() > kMaxRoutes) return Fail("no more interrupt routes");
  std::vector<kvm::GsiRoute> table = pins;
  for (const auto& [gsi, message] : messages) table.push_back({gsi, message});
  return vm_.SetGsiRouting(table);
}

Status GsiTable::SetPins(std::vector<kvm::GsiRoute> pins) {
  const std::lock_guard lock(mutex_);
  DAVIT_TRY(Install(pins, messages_));
  pins_ = std::move(pins);
  return {};
}

Result<uint32_t> GsiTable::Add(kvm::Msi message) {
  const std::lock_guard lock(mutex_);
  uint32_t gsi = first_free_;
  for (const auto& [used, unused] : messages_) {
    if (used != gsi) break;
    ++gsi;
  }
  if (gsi >= kMaxRoutes) return Fail("no more interrupt routes");
  const auto added = messages_.emplace(gsi, message).first;
  if (auto set = Install(pins_, messages_); !set) {
    messages_.erase(added);
    return Fail(set.error());
  }
  return gsi;
}

Status GsiTable::Update(uint32_t gsi, kvm::Msi message) {
  const std::lock_guard lock(mutex_);
  const auto it = messages_.find(gsi);
  if (it == messages_.end()) return Fail("no such interrupt route");
  const kvm::Msi before = std::exchange(it->second, message);
  if (auto set = Install(pins_, messages_); !set) {
    it->second = before;
    return set;
  }
  return {};
}

void GsiTable::Remove(uint32_t gsi) {
  const std::lock_guard lock(mutex_);
  // A route that KVM keeps for want of memory is unused: its irqfd is gone.
  if (messages_.erase(gsi) != 0) (void)Install(pins_, messages_);
}

}  // namespace davit::irq
