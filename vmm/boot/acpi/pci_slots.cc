// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See pci_slots.h. A bus is chosen and asked under one mutex, since a slot may be ejected
// meanwhile.
#include "vmm/boot/acpi/pci_slots.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "vmm/boot/q35_layout.h"

namespace davit::boot {
namespace {

using namespace aml;  // NOLINT: this file is one AML program

constexpr uint8_t kStatusHidden = 0x0b;  // present, enabled, functioning, not shown to the user
constexpr uint64_t kNotifyDeviceCheck = 1, kNotifyEjectRequest = 3;  // 5.6.6

constexpr char kLock[] = "\\_SB.PCI0.PLCK";
constexpr char kPorts[] = "PHPP";

std::string PortName(const Q35PciSlot& slot) { return fmt::format("S{:02X}", slot.port); }

Term Port(const Q35PciSlot& slot) {
  const Term bus = Integer(slot.bus);
  return Device(PortName(slot), {Name("_ADR", Integer((slot.port >> 3U) << 16 | (slot.port & 7U))),
                                 Device("S00", {Name("_ADR", Integer(0)), Name("_SUN", bus),
                                                Method("_EJ0", 1, false, {Call("PEJT", {bus})})})});
}

// An Express port has one slot behind it: bit 0.
Term EjectMethod() {
  return Method("PEJT", 1, true,
                {Acquire(kLock), Store(Arg(0), Reference("PBUS")),
                 Store(Integer(1), Reference("PEJC")), Release(kLock)});
}

Term ScanMethod(std::span<const Q35PciSlot> slots) {
  Terms body;
  for (const Q35PciSlot& slot : slots) {
    const Term card = Reference("\\_SB.PCI0." + PortName(slot) + ".S00");
    body.push_back(Store(Integer(slot.bus), Reference("PBUS")));
    for (const auto& [name, what] :
         {std::pair("PCAM", kNotifyDeviceCheck), {"PLVG", kNotifyEjectRequest}}) {
      body.push_back(If(And(Reference(name), Integer(1)), {Notify(card, Integer(what))}));
    }
  }
  return Method("PSCN", 0, true, body);
}

}  // namespace

Terms PciSlots(std::span<const Q35PciSlot> slots, uint16_t base) {
  Terms terms = {
      Device("PHPR",
             {Name("_HID", EisaId("PNP0A06")), Name("_UID", String("PCI Hotplug resources")),
              Name("_STA", Integer(kStatusHidden)),
              Name("_CRS",
                   ResourceTemplate({IoPorts(base, static_cast<uint8_t>(kQ35PciHotplugPorts))}))}),
      OperationRegion(kPorts, AddressSpace::kSystemIo, base, kQ35PciHotplugPorts),
      Field(kPorts, FieldAccess::kDword, FieldUpdate::kWriteAsZeros,
            {{"PCAM", 32}, {"PLVG", 32}, {"PEJC", 32}, {"", 32}, {"PBUS", 32}}),
      Mutex("PLCK"),
      EjectMethod(),
  };
  for (const Q35PciSlot& slot : slots) terms.push_back(Port(slot));
  terms.push_back(ScanMethod(slots));
  return terms;
}

Terms ScanPciSlots() { return {Acquire(kLock), Call("\\_SB.PCI0.PSCN", {}), Release(kLock)}; }

}  // namespace davit::boot
