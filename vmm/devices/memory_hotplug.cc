// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See memory_hotplug.h.
#include "vmm/devices/memory_hotplug.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "vmm/base/check.h"
#include "vmm/base/endian.h"
#include "vmm/base/log.h"
#include "vmm/devices/acpi_ost.h"

namespace davit::devices {
namespace {

// By what is read, then by what is written.
enum Register : uint64_t {
  kBaseLow = 0x00,
  kBaseHigh = 0x04,
  kSizeLow = 0x08,
  kSizeHigh = 0x0c,
  kNode = 0x10,
  kFlags = 0x14,
  kSelector = 0x00,
  kOstSource = 0x04,
  kOstStatus = 0x08,
};

constexpr uint32_t kEnabled = 1u << 0, kInserting = 1u << 1, kRemoving = 1u << 2, kEject = 1u << 3;

}  // namespace

MemoryHotplug::MemoryHotplug(uint32_t slots, Callbacks callbacks)
    : callbacks_(std::move(callbacks)), slots_(slots) {
  DAVIT_CHECK(slots <= kMaxSlots);
}

void MemoryHotplug::Plug(uint32_t slot, Dimm dimm, bool announce) {
  {
    const std::lock_guard lock(mutex_);
    DAVIT_CHECK(slot < slots_.size() && !slots_[slot].taken);
    slots_[slot] =
        Slot{.taken = true, .enabled = true, .inserting = announce, .dimm = std::move(dimm)};
  }
  if (announce && callbacks_.raise) callbacks_.raise();
}

void MemoryHotplug::RequestEject(uint32_t slot) {
  {
    const std::lock_guard lock(mutex_);
    DAVIT_CHECK(slot < slots_.size());
    if (!slots_[slot].enabled) return;  // its Unplug() is on the way
    slots_[slot].removing = slots_[slot].asked = true;
  }
  if (callbacks_.raise) callbacks_.raise();
}

void MemoryHotplug::Unplug(uint32_t slot) {
  const std::lock_guard lock(mutex_);
  DAVIT_CHECK(slot < slots_.size());
  const Slot old = std::exchange(slots_[slot], {});
  slots_[slot].source = old.source;
  slots_[slot].status = old.status;
}

void MemoryHotplug::Reset() {
  std::vector<std::function<void()>> ejected;
  {
    const std::lock_guard lock(mutex_);
    selector_ = 0;
    for (Slot& slot : slots_) {
      slot.inserting = slot.removing = false;
      if (!std::exchange(slot.asked, false)) continue;
      slot.enabled = false;
      ejected.push_back(slot.dimm.ejected);
    }
  }
  for (const auto& fn : ejected) fn();
}

std::vector<bool> MemoryHotplug::taken() const {
  const std::lock_guard lock(mutex_);
  std::vector<bool> taken;
  for (const Slot& slot : slots_) taken.push_back(slot.taken);
  return taken;
}

MemoryHotplug::Report MemoryHotplug::ReportOf(uint32_t slot) const {
  const Slot& of = slots_[slot];
  return {slot, of.dimm.id, of.source, of.status};
}

std::vector<MemoryHotplug::Report> MemoryHotplug::reports() const {
  const std::lock_guard lock(mutex_);
  std::vector<Report> reports;
  for (uint32_t i = 0; i < slots_.size(); ++i) reports.push_back(ReportOf(i));
  return reports;
}

uint32_t MemoryHotplug::Value(uint64_t offset) const {
  if (selector_ >= slots_.size()) return 0;
  const Slot& slot = slots_[selector_];
  static const Dimm kNone;
  const Dimm& dimm = slot.enabled ? slot.dimm : kNone;
  switch (offset) {
    case kBaseLow:
      return static_cast<uint32_t>(dimm.base);
    case kBaseHigh:
      return static_cast<uint32_t>(dimm.base >> 32);
    case kSizeLow:
      return static_cast<uint32_t>(dimm.size);
    case kSizeHigh:
      return static_cast<uint32_t>(dimm.size >> 32);
    case kNode:
      return dimm.node;
    case kFlags:
      return (slot.enabled ? kEnabled : 0) | (slot.inserting ? kInserting : 0) |
             (slot.removing ? kRemoving : 0);
    default:
      return ~uint32_t{0};
  }
}

void MemoryHotplug::Read(uint64_t offset, std::span<uint8_t> data) {
  const std::lock_guard lock(mutex_);
  StoreLe(data.data(), data.size(), Value(offset));
}

void MemoryHotplug::Write(uint64_t offset, std::span<const uint8_t> data) {
  const auto value = static_cast<uint32_t>(LoadLe(data.data(), data.size()));
  std::optional<Report> report;
  std::function<void()> answered;
  {
    const std::lock_guard lock(mutex_);
    if (offset == kSelector) {
      selector_ = value;
      return;
    }
    if (selector_ >= slots_.size()) {
      DAVIT_LOG_GUEST_ERROR("memory hot-plug: there is no slot {}", selector_);
      return;
    }
    Slot& slot = slots_[selector_];
    if (offset == kOstSource) {
      slot.source = value;
    } else if (offset == kOstStatus) {
      slot.status = value;
      if (slot.asked && RefusesEjection(slot.source, value)) {
        slot.asked = false;
        answered = slot.dimm.refused;
      }
      report = ReportOf(selector_);
    } else if (offset == kFlags) {
      if (value & kInserting) slot.inserting = false;
      if (value & kRemoving) slot.removing = false;
      if (value & kEject && slot.enabled) {
        slot.enabled = slot.inserting = slot.removing = slot.asked = false;
        answered = slot.dimm.ejected;
      }
    }
  }
  if (report && callbacks_.report) callbacks_.report(*report);
  if (answered) answered();
}

}  // namespace davit::devices
