// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "hotplug.h"

#include "console.h"
#include "devices.h"
#include "interrupts.h"
#include "pci.h"

namespace probe {
namespace {

constexpr uint8_t kExpress = 0x10;
// In the Express capability (7.5.3.9 to 7.5.3.11). Control and status are one doubleword: status in
// the upper half, where a written one clears an event.
constexpr uint32_t kSlotCapabilities = 0x14, kSlotControl = 0x18;
constexpr uint32_t kHotplugCapable = 0x40;
// No attention lamp; an interrupt at the button and when presence changes.
constexpr uint32_t kAlways = 0x00c0 | 0x0029;
constexpr uint32_t kLampOn = 0x0100, kLampBlinking = 0x0200, kLampOff = 0x0300;
constexpr uint32_t kPowerOff = 0x0400;
constexpr uint32_t kButton = 0x01, kPresenceChanged = 0x08, kPresent = 0x40;

struct Slot {
  bool there;
  PciAddress port;
  uint32_t control;  // offset
  bool on;
};
constexpr uint32_t kMaxSlots = 16;
Slot slot_table[kMaxSlots];

void Print(const Slot& slot, const char* what) {
  probe::Print("hotplug: %x:%x.%x %s\n", uint64_t{slot.port.bus}, uint64_t{slot.port.device},
               uint64_t{slot.port.function}, what);
}

// The slot of a port, if it is one for hot-plug. Events that are there already interrupt at once.
void AddSlot(PciAddress port) {
  if (!PciIsBridge(port)) return;
  const uint32_t express = PciCapability(port, kExpress);
  if (express == 0 || !(PciRead32(port, express + kSlotCapabilities) & kHotplugCapable)) return;
  for (Slot& slot : slot_table) {
    if (slot.there) continue;
    const uint32_t control = express + kSlotControl;
    const uint32_t now = PciRead32(port, control);
    slot = {true, port, control, (now & kPowerOff) == 0};
    (void)PciSetMessage(port, MessageAddress(), kWakeVector);
    PciWrite32(port, control, (now & 0xffff) | kAlways);
    return;
  }
}

// The port of the slot is about to go.
void ForgetBehind(PciAddress port) {
  const uint8_t bus = PciCardBehind(port).bus;
  for (Slot& slot : slot_table) slot.there = slot.there && slot.port.bus != bus;
}

void SwitchOn(Slot& slot) {
  PciWrite32(slot.port, slot.control, kAlways | kLampOn);
  slot.on = true;
  if (PciPlaceBehind(slot.port) == 0) return Print(slot, "answers nothing");
  StartDevices();
  Print(slot, "on");
  AddSlot(PciCardBehind(slot.port));
}

// The card goes with the last of these writes.
void SwitchOff(Slot& slot) {
  ForgetBehind(slot.port);
  PciWrite32(slot.port, slot.control, kAlways | kLampBlinking);
  PciWrite32(slot.port, slot.control, kAlways | kLampBlinking | kPowerOff);
  PciWrite32(slot.port, slot.control, kAlways | kLampOff | kPowerOff);
  slot.on = false;
  StartDevices();
  Print(slot, "off");
}

void Serve(Slot& slot) {
  const uint32_t both = PciRead32(slot.port, slot.control);
  const uint32_t status = both >> 16;
  const uint32_t events = status & (kButton | kPresenceChanged);
  if (events == 0) return;
  PciWrite32(slot.port, slot.control, (both & 0xffff) | events << 16);
  if ((status & kPresent) != 0 && !slot.on) {
    SwitchOn(slot);
  } else if (slot.on && (events & kButton) != 0) {
    SwitchOff(slot);
  }
}

}  // namespace

void FindHotplugSlots() {
  static PciBus bus;
  if (!ScanPci(bus)) return;
  for (uint32_t i = 0; i < bus.functions; ++i) AddSlot(bus.function[i]);
}

void ServeHotplug() {
  for (Slot& slot : slot_table) {
    if (slot.there) Serve(slot);
  }
}

}  // namespace probe
