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

using Slots = std::span<const Q35PciSlot>;

// What is behind it: a slot of these registers, when it has a number here, and ports. One without
// (hotplug=off) is only on the way to others.
struct Port {
  uint8_t devfn = 0;
  std::optional<uint32_t> number;
  std::vector<Port> behind;
};

Port& PortAt(std::vector<Port>& bus, uint8_t devfn) {
  const auto it = std::ranges::find(bus, devfn, &Port::devfn);
  return it != bus.end() ? *it : bus.emplace_back(Port{devfn, {}, {}});
}

// Those on the root bus.
std::vector<Port> Tree(Slots slots) {
  Port root;
  for (const Q35PciSlot& slot : slots) {
    Port* port = &root;
    for (const uint8_t devfn : slot.ports) port = &PortAt(port->behind, devfn);
    port->number = slot.bus;
  }
  return root.behind;
}

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

// The card of the slot, function 0, which may be a port itself, and the other ports.
Terms Behind(const Port& port) {
  Terms terms;
  if (port.number) {
    const Term number = Integer(*port.number);
    terms = {Name("_SUN", number), Method("_EJ0", 1, false, {Call("PEJT", {number})})};
    const auto inner = std::ranges::find(port.behind, 0, &Port::devfn);
    if (inner != port.behind.end()) {
      const Terms more = Behind(*inner);
      terms.insert(terms.end(), more.begin(), more.end());
    }
    terms = {Function(0, terms)};
  }
  for (const Port& inner : port.behind) {
    if (inner.devfn != 0 || !port.number) terms.push_back(Function(inner.devfn, Behind(inner)));
  }
  return terms;
}

// An Express port has one slot behind it: bit 0.
Term EjectMethod() {
  return Method("PEJT", 1, true,
                {Acquire(kLock), Store(Arg(0), Reference("PBUS")),
                 Store(Integer(1), Reference("PEJC")), Release(kLock)});
}

Term ScanMethod(Slots slots) {
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

Terms PciSlots(Slots slots, uint16_t base) {
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
  for (const Port& port : Tree(slots)) terms.push_back(Function(port.devfn, Behind(port)));
  terms.push_back(ScanMethod(slots));
  return terms;
}

Terms ScanPciSlots() { return {Acquire(kLock), Call("\\_SB.PCI0.PSCN", {}), Release(kLock)}; }

}  // namespace davit::boot
