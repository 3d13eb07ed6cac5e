// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See pirq_router.h.
#include "vmm/pci/q35/pirq_router.h"

namespace davit::pci {
namespace {

constexpr unsigned kFirstPirqGsi = 16;
// Inputs of the 8259s that a PIRQ may go to: 3-7, 9-12, 14, 15.
constexpr uint16_t kRoutable = 0xdef8;

// 5.8: devices 25 to 31 are the chipset's own; the PCI bridge at 30 has the upper PIRQs.
constexpr uint8_t PirqAtReset(unsigned slot, unsigned pin) {
  if (slot == 30) return static_cast<uint8_t>(4 + pin);
  if (slot >= 25) return static_cast<uint8_t>(pin);
  return static_cast<uint8_t>(4 + (slot + pin) % 4);
}

}  // namespace

PirqRouter::PirqRouter(const Lines& lines) : lines_(lines) { ResetRouting(); }

void PirqRouter::ResetRouting() {
  for (unsigned slot = 0; slot < pirq_of_.size(); ++slot) {
    for (unsigned pin = 0; pin < 4; ++pin) pirq_of_[slot][pin] = PirqAtReset(slot, pin);
  }
  routes_.fill(kNotRouted);
}

void PirqRouter::Reset() {
  const std::lock_guard lock(mutex_);
  ResetRouting();
  Update();
}

void PirqRouter::SetIntx(uint8_t slot, uint8_t pin, bool level) {
  const std::lock_guard lock(mutex_);
  uint16_t& count = sources_[slot & 31][pin & 3];
  const bool before = count != 0;
  if (level) {
    ++count;
  } else if (count != 0) {
    --count;
  }
  if (before != (count != 0)) Update();
}

void PirqRouter::SetRoute(unsigned pirq, uint8_t value) {
  const std::lock_guard lock(mutex_);
  routes_[pirq] = value;
  Update();
}

void PirqRouter::SetSlot(unsigned slot, uint16_t value) {
  const std::lock_guard lock(mutex_);
  for (unsigned pin = 0; pin < 4; ++pin) {
    pirq_of_[slot][pin] = static_cast<uint8_t>(value >> 4 * pin & 7);
  }
  Update();
}

void PirqRouter::SetSciGsi(std::optional<unsigned> gsi) {
  const std::lock_guard lock(mutex_);
  sci_gsi_ = gsi;
  Update();
}

void PirqRouter::Sci::Set(bool level) {
  const std::lock_guard lock(router_.mutex_);
  if (router_.sci_level_ == level) return;
  router_.sci_level_ = level;
  router_.Update();
}

void PirqRouter::Update() {
  uint32_t wanted = 0;
  for (size_t slot = 0; slot < sources_.size(); ++slot) {
    for (size_t pin = 0; pin < 4; ++pin) {
      if (sources_[slot][pin] == 0) continue;
      const uint8_t pirq = pirq_of_[slot][pin];
      wanted |= 1u << (kFirstPirqGsi + pirq);
      const uint8_t route = routes_[pirq];
      if (!(route & kNotRouted)) wanted |= (1u << (route & 15)) & kRoutable;
    }
  }
  if (sci_level_ && sci_gsi_) wanted |= 1u << *sci_gsi_;
  for (unsigned gsi = 0; gsi < kGsis; ++gsi) {
    const uint32_t bit = 1u << gsi;
    if ((wanted ^ driven_) & bit) lines_[gsi]->Set(wanted & bit);
  }
  driven_ = wanted;
}

}  // namespace davit::pci
