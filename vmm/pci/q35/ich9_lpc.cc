// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See ich9_lpc.h.
#include "vmm/pci/q35/ich9_lpc.h"

#include <algorithm>
#include <cstring>

#include "vmm/base/endian.h"
#include "vmm/base/log.h"

namespace davit::pci {
namespace {

constexpr uint64_t kPmPorts = 0x80;
constexpr uint32_t kPmbaseAtReset = 0x00000001, kPmbaseWritable = 0xff87, kPmbaseAddress = 0xff80;
constexpr uint32_t kRcbaEnable = 1, kRcbaAddress = 0xffffc000;
constexpr uint8_t kSmiLock = 0x10;

// Offsets of the root complex registers: interrupt routes of devices, general control.
struct SlotRegister {
  uint32_t offset;
  unsigned slot;
};
constexpr SlotRegister kSlotRegisters[] = {{0x3140, 31}, {0x3144, 29}, {0x3146, 28},
                                           {0x3148, 27}, {0x314c, 26}, {0x3150, 25}};
constexpr uint16_t kSlotAtReset = 0x3210;
constexpr uint32_t kGeneralControl = 0x3410;
// The TCO timer cannot reboot.
constexpr uint8_t kNoReboot = 0x20;

bool Touches(uint32_t offset, uint32_t size, uint32_t at, uint32_t length) {
  return offset < at + length && at < offset + size;
}

// ACPI_CNTL bits 0-2 (13.1.14).
std::optional<unsigned> SciGsi(uint8_t control) {
  constexpr int kGsis[] = {9, 10, 11, -1, 20, 21, -1, -1};
  const int gsi = kGsis[control & 7];
  if (!(control & Ich9Lpc::kAcpiEnable) || gsi < 0) return std::nullopt;
  return static_cast<unsigned>(gsi);
}

}  // namespace

void Ich9Lpc::Window::Move(std::optional<uint64_t> base) {
  if (base == base_) return;
  if (base_) (void)bus_.Release(*base_);
  base_.reset();
  if (!base) return;
  if (auto claimed = bus_.Claim(*base, size_, name_, &device_); !claimed) {
    DAVIT_LOG_GUEST_ERROR("ICH9-LPC: {} is not mapped: {}", name_, claimed.error().message);
    return;
  }
  base_ = base;
}

void Ich9Lpc::Rcrb::Reset() {
  const std::lock_guard lock(mutex_);
  bytes_.fill(0);
  for (const SlotRegister& reg : kSlotRegisters) StoreLe(&bytes_[reg.offset], 2, kSlotAtReset);
  bytes_[kGeneralControl] = kNoReboot;
  if (no_reboot_) no_reboot_(true);
}

void Ich9Lpc::Rcrb::Read(uint64_t offset, std::span<uint8_t> data) {
  const std::lock_guard lock(mutex_);
  std::memcpy(data.data(), &bytes_[offset], data.size());
}

void Ich9Lpc::Rcrb::Write(uint64_t offset, std::span<const uint8_t> data) {
  const std::lock_guard lock(mutex_);
  std::memcpy(&bytes_[offset], data.data(), data.size());
  if (no_reboot_ && Touches(static_cast<uint32_t>(offset), static_cast<uint32_t>(data.size()),
                            kGeneralControl, 1)) {
    no_reboot_(bytes_[kGeneralControl] & kNoReboot);
  }
  for (const SlotRegister& reg : kSlotRegisters) {
    if (!Touches(static_cast<uint32_t>(offset), static_cast<uint32_t>(data.size()), reg.offset, 2))
      continue;
    router_.SetSlot(reg.slot, static_cast<uint16_t>(LoadLe(&bytes_[reg.offset], 2)));
  }
}

Ich9Lpc::Ich9Lpc(const Ich9LpcDeps& deps)
    : Function({.vendor = 0x8086, .device = 0x2918, .revision = 2, .class_code = 0x060100},
               {.driver = "ICH9-LPC", .id = {}, .multifunction = true}),
      deps_(deps),
      rcrb_(deps.router, deps.no_reboot),
      pm_window_(deps.ports, kPmPorts, "ich9-pm", deps.pm),
      rcrb_window_(deps.mmio, Rcrb::kSize, "lpc-rcrb", rcrb_) {
  config().Set32(kPmbase, kPmbaseAtReset);
  config().SetWritable(kPmbase, 4, kPmbaseWritable);
  for (uint32_t i = 0; i < 4; ++i) {
    config().Set8(kPirqRoute + i, PirqRouter::kNotRouted);
    config().Set8(kPirqRouteUpper + i, PirqRouter::kNotRouted);
  }
}

void Ich9Lpc::SetSerialPorts(bool com1, bool com2) {
  serial_ports_ = static_cast<uint8_t>((com1 ? 1 : 0) | (com2 ? 2 : 0));
}

Ich9Lpc::~Ich9Lpc() = default;

void Ich9Lpc::OnReset() {
  rcrb_.Reset();
  deps_.router.Reset();
}

void Ich9Lpc::OnConfigReset() {
  config().Set8(kLpcEnable, serial_ports_);
  config().SetWritable(kGenPmcon1, 1, 0xff);
  PlacePm();
  PlaceRcrb();
  Route(kPirqRoute, 12);
}

// A new place only while the block decodes, as in QEMU: until then the old one is not in use.
void Ich9Lpc::PlacePm() {
  const uint8_t control = config().Get8(kAcpiControl);
  const uint32_t base = config().Get32(kPmbase) & kPmbaseAddress;
  const bool decoded = (control & kAcpiEnable) && base != 0;
  pm_window_.Move(decoded ? std::optional<uint64_t>(base) : std::nullopt);
  deps_.router.SetSciGsi(SciGsi(control));
}

void Ich9Lpc::PlaceRcrb() {
  const uint32_t value = config().Get32(kRcba);
  rcrb_window_.Move(value & kRcbaEnable ? std::optional<uint64_t>(value & kRcbaAddress)
                                        : std::nullopt);
}

void Ich9Lpc::Route(uint32_t offset, uint32_t size) {
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t lower = kPirqRoute + i, upper = kPirqRouteUpper + i;
    if (Touches(offset, size, lower, 1)) deps_.router.SetRoute(i, config().Get8(lower));
    if (Touches(offset, size, upper, 1)) deps_.router.SetRoute(4 + i, config().Get8(upper));
  }
}

void Ich9Lpc::OnConfigWritten(uint32_t offset, uint32_t size) {
  if (Touches(offset, size, kPmbase, 5)) PlacePm();
  if (Touches(offset, size, kRcba, 4)) PlaceRcrb();
  Route(offset, size);
  if (Touches(offset, size, kGenPmcon1, 1) && (config().Get8(kGenPmcon1) & kSmiLock)) {
    config().SetWritable(kGenPmcon1, 1, static_cast<uint8_t>(~kSmiLock));
  }
}

}  // namespace davit::pci
