// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See pci_slots.h. A bus is chosen and asked under one mutex, since a slot may be ejected
// meanwhile.
#include "vmm/boot/acpi/pci_slots.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vmm/boot/q35_layout.h"

namespace davit::boot {
namespace {

using namespace aml;  // NOLINT: this file is one AML program

constexpr uint8_t kStatusHidden = 0x0b;  // present, enabled, functioning, not shown to the user
constexpr uint64_t kNotifyDeviceCheck = 1, kNotifyEjectRequest = 3;  // 5.6.6

constexpr char kLock[] = "\\_SB.PCI0.PLCK";
constexpr char kPorts[] = "PHPP";

using Path = std::vector<uint8_t>;  // Q35PciSlot::ports
using Slots = std::span<const Q35PciSlot>;

std::string FunctionName(uint8_t devfn) { return fmt::format("S{:02X}", devfn); }

// Of the card in a slot, function 0.
std::string CardName(const Q35PciSlot& slot) {
  std::string name = "\\_SB.PCI0.";
  for (const uint8_t devfn : slot.ports) name += FunctionName(devfn) + ".";
  return name + FunctionName(0);
}

Term Function(uint8_t devfn, Terms more) {
  Terms terms = {Name("_ADR", Integer((devfn >> 3U) << 16 | (devfn & 7U)))};
  terms.insert(terms.end(), more.begin(), more.end());
  return Device(FunctionName(devfn), terms);
}

Term Port(Slots slots, const Q35PciSlot& slot);

// The ports on a bus: behind the last of these, or the root bus. without: one that is left out.
Terms PortsBehind(Slots slots, const Path& path, std::optional<uint8_t> without = {}) {
  Terms terms;
  for (const Q35PciSlot& slot : slots) {
    const bool here = slot.ports.size() == path.size() + 1 &&
                      std::equal(path.begin(), path.end(), slot.ports.begin());
    if (here && slot.ports.back() != without) terms.push_back(Port(slots, slot));
  }
  return terms;
}

// The card of the slot, which may be a port itself.
Term Card(Slots slots, const Q35PciSlot& slot) {
  const Term bus = Integer(slot.bus);
  Terms terms = {Name("_SUN", bus), Method("_EJ0", 1, false, {Call("PEJT", {bus})})};
  Path path = slot.ports;
  path.push_back(0);
  for (const Q35PciSlot& inner : slots) {
    if (inner.ports == path) terms.push_back(Card(slots, inner));
  }
  return Function(0, terms);
}

Term Port(Slots slots, const Q35PciSlot& slot) {
  Terms terms = PortsBehind(slots, slot.ports, 0);
  terms.insert(terms.begin(), Card(slots, slot));
  return Function(slot.ports.back(), terms);
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
    const Term card = Reference(CardName(slot));
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
  const Terms ports = PortsBehind(slots, {});
  terms.insert(terms.end(), ports.begin(), ports.end());
  terms.push_back(ScanMethod(slots));
  return terms;
}

Terms ScanPciSlots() { return {Acquire(kLock), Call("\\_SB.PCI0.PSCN", {}), Release(kLock)}; }

}  // namespace davit::boot
