// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// KVM's table of interrupt routes (KVM_SET_GSI_ROUTING), which can only be replaced as a whole: the
// routes of the platform's pins, and MSI routes that come and go. A change keeps all other routes
// as they are; when KVM refuses it, nothing has changed. Any thread; callers wait for one another.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/kvm/kvm.h"

namespace davit::irq {

class GsiTable {
 public:
  static constexpr uint32_t kMaxRoutes = 4096;  // KVM_MAX_IRQ_ROUTES
  // GSIs below first_free belong to pins. vm outlives the table.
  GsiTable(kvm::Vm& vm, std::vector<kvm::GsiRoute> pins, uint32_t first_free)
      : vm_(vm), first_free_(first_free), pins_(std::move(pins)) {}

  // KVM's own routes of the in-kernel 8259s and IOAPIC, which it installs by itself.
  static std::vector<kvm::GsiRoute> InKernelPins();

  // Replaces the routes of the pins (an IOAPIC in user space programs them).
  Status SetPins(std::vector<kvm::GsiRoute> pins);
  // A GSI of its own for a message. Error: no more routes.
  Result<uint32_t> Add(kvm::Msi message);
  // gsi: of Add().
  Status Update(uint32_t gsi, kvm::Msi message);
  void Remove(uint32_t gsi);

 private:
  using Messages = std::map<uint32_t, kvm::Msi>;
  // mutex_ held.
  Status Install(const std::vector<kvm::GsiRoute>& pins, const Messages& messages);

  kvm::Vm& vm_;
  const uint32_t first_free_;
  std::mutex mutex_;  // guards the rest
  std::vector<kvm::GsiRoute> pins_;
  Messages messages_;  // by GSI
};

}  // namespace davit::irq
