// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See bus.h.
#include "vmm/pci/bus.h"

#include <fmt/format.h>

#include "vmm/base/check.h"
#include "vmm/pci/bridge.h"
#include "vmm/pci/host_bridge.h"

namespace davit::pci {

Bus::Bus(HostBridge& host, Bridge* bridge, std::string name, unsigned slots)
    : host_(host), bridge_(bridge), name_(std::move(name)), slots_(slots) {}

Bus::~Bus() { DAVIT_CHECK(functions().empty()); }

Result<uint8_t> Bus::Place(const std::string& driver, std::optional<uint8_t> devfn,
                           bool hot) const {
  DAVIT_ASSIGN(const uint8_t place, FreePlace(driver, devfn));
  // Software looks at the functions of a slot once, when function 0 comes.
  const Function* const first = functions_[Devfn(SlotOf(place), 0)];
  if (hot && first != nullptr) {
    return Fail(
        fmt::format("PCI: slot {} function 0 already occupied by {}, new func {} cannot be "
                    "exposed to guest.",
                    SlotOf(place), first->driver(), driver));
  }
  return place;
}

Result<uint8_t> Bus::FreePlace(const std::string& driver, std::optional<uint8_t> devfn) const {
  if (!devfn) {
    for (unsigned slot = 0; slot < slots_; ++slot) {
      if (functions_[Devfn(slot, 0)] == nullptr) return Devfn(slot, 0);
    }
    return Fail(
        fmt::format("PCI: no slot/function available for {}, all in use or reserved", driver));
  }
  const unsigned slot = SlotOf(*devfn);
  if (const Function* other = functions_[*devfn]) {
    return Fail(fmt::format("PCI: slot {} function {} not available for {}, in use by {},id={}",
                            slot, FunctionOf(*devfn), driver, other->driver(),
                            other->id().empty() ? "(null)" : other->id()));
  }
  if (slot >= slots_) {
    return Fail(fmt::format(
        "PCI: slot {} is not valid for {}, parent device only allows plugging into slot 0.", slot,
        driver));
  }
  return *devfn;
}

Status Bus::CheckMultifunction(const Function& function, uint8_t devfn) const {
  const unsigned slot = SlotOf(devfn);
  if (FunctionOf(devfn) != 0) {
    const Function* first = functions_[Devfn(slot, 0)];
    if (first == nullptr || first->multifunction()) return {};
    return Fail(fmt::format("PCI: single function device can't be populated in function {:x}.{:x}",
                            slot, FunctionOf(devfn)));
  }
  if (function.multifunction()) return {};
  for (unsigned i = 1; i < 8; ++i) {
    if (functions_[Devfn(slot, i)] == nullptr) continue;
    return Fail(
        fmt::format("PCI: {:x}.0 indicates single function, but {:x}.{:x} is already populated.",
                    slot, slot, i));
  }
  return {};
}

Status Bus::Attach(Function& function, std::optional<uint8_t> devfn, bool hot) {
  DAVIT_CHECK(function.bus() == nullptr && (bridge_ == nullptr || bridge_->bus() != nullptr));
  DAVIT_ASSIGN(const uint8_t place, Place(function.driver(), devfn, hot));
  DAVIT_TRY(CheckMultifunction(function, place));
  DAVIT_TRY(function.Realize(*this));
  function.config().Freeze();
  {
    const auto lock = host_.Lock();
    functions_[place] = &function;
    function.Connect(this, place);
    function.ResetConfig();
  }
  if (bridge_ != nullptr) {
    bridge_->OnChild(function, hot ? Bridge::ChildChange::kPlugged : Bridge::ChildChange::kThere);
  }
  return {};
}

void Bus::Detach(Function& function) {
  DAVIT_CHECK(function.bus() == this);
  if (Bridge* bridge = function.as_bridge()) DAVIT_CHECK(bridge->secondary().functions().empty());
  if (bridge_ != nullptr) bridge_->OnChild(function, Bridge::ChildChange::kLeaving);
  // The claims are released without the lock: a vCPU that waits for it may be inside one.
  std::vector<std::pair<BarKind, uint64_t>> claims;
  {
    const auto lock = host_.Lock();
    for (int i = 0; i < Function::kBars; ++i) {
      Function::Bar& bar = function.bars_[i];
      if (bar.mapped) claims.emplace_back(bar.spec.kind, *bar.mapped);
      if (bar.mapped) function.OnBarMapped(i, std::nullopt);
      bar.mapped.reset();
      bar.refused.reset();
    }
    functions_[function.devfn()] = nullptr;
  }
  for (const auto& [kind, base] : claims) host_.Unmap(kind, base);
  // Claims that a vCPU released earlier may still be in use by another one.
  host_.deps_.ports.Drain();
  host_.deps_.mmio.Drain();
  const auto lock = host_.Lock();
  function.Connect(nullptr, 0);  // no vCPU is inside any more
  host_.RetryRefused();
}

std::vector<Function*> Bus::functions() const {
  std::vector<Function*> result;
  for (Function* function : functions_) {
    if (function != nullptr) result.push_back(function);
  }
  return result;
}

}  // namespace davit::pci
