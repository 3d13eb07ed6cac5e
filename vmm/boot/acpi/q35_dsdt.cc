// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The DSDT of the q35.
#include <fmt/format.h>

#include <span>

#include "vmm/boot/acpi/aml.h"
#include "vmm/boot/acpi/cpu_hotplug_dsdt.h"
#include "vmm/boot/acpi/memory_slots.h"
#include "vmm/boot/acpi/pci_slots.h"
#include "vmm/boot/acpi/q35.h"
#include "vmm/boot/acpi/table_writer.h"
#include "vmm/boot/q35_layout.h"

namespace davit::boot {
namespace {

using namespace aml;  // NOLINT: this file is one AML program

constexpr uint8_t kDsdtRevision = 2;  // integers have 64 bits
constexpr uint8_t kStatusAllPresent = 0x0f;
constexpr uint8_t kStatusHidden = 0x0b;  // present, enabled, functioning, not shown to the user

constexpr uint32_t kSlots = 32;
constexpr uint32_t kPins = 4;
constexpr char kPirqNames[] = "ABCDEFGH";

// --- _OSC (PCI Firmware 3.2, 4.5) ---------------------------------------------------------------

constexpr uint32_t kOscUnknownUuid = 0x04;
constexpr uint32_t kOscUnknownRevision = 0x08;
constexpr uint32_t kOscMasked = 0x10;
// Native PCI Express hot-plug, SHPC hot-plug, PME, AER, Express capabilities.
constexpr uint32_t kOscGranted = 0x1f, kOscNativeHotplug = 0x01;

Term OperatingSystemCapabilities(bool native_hotplug) {
  const uint32_t granted = native_hotplug ? kOscGranted : kOscGranted & ~kOscNativeHotplug;
  const Term buffer = Arg(3);
  const Term status = Reference("CDW1");
  const Term control = Reference("CDW3");
  return Method(
      "_OSC", 4, false,
      {CreateDwordField(buffer, Integer(0), "CDW1"),
       If(Equal(Arg(0), Uuid("33db4d5b-1ff7-401c-9657-7441c03dd766")),
          {CreateDwordField(buffer, Integer(4), "CDW2"),
           CreateDwordField(buffer, Integer(8), "CDW3"),
           AndInto(Local(0), control, Integer(granted)),
           If(Not(Equal(Arg(1), Integer(1))), {OrInto(status, Integer(kOscUnknownRevision))}),
           If(Not(Equal(control, Local(0))), {OrInto(status, Integer(kOscMasked))}),
           Store(Local(0), control)}),
       Else({OrInto(status, Integer(kOscUnknownUuid))}), Return(buffer)});
}

// --- interrupt routing --------------------------------------------------------------------------

std::string LinkName(const char* prefix, uint32_t pirq) {
  return fmt::format("{}{}", prefix, kPirqNames[pirq]);
}

// 6.2.13: for each pin of each slot the link device that it goes to.
Term RoutingTable(const char* name, const char* prefix) {
  Terms rows;
  for (uint32_t slot = 0; slot < kSlots; ++slot) {
    for (uint32_t pin = 0; pin < kPins; ++pin) {
      rows.push_back(Package({Integer(uint64_t{slot} << 16 | 0xffff), Integer(pin),
                              Reference("\\_SB.PCI0.LPC." + LinkName(prefix, Q35Pirq(slot, pin))),
                              Integer(0)}));
    }
  }
  return Name(name, Package(rows));
}

Term RoutingMethod() {
  return Method("_PRT", 0, false,
                {If(Equal(Reference("\\PICF"), Integer(0)), {Return(Reference("PRTP"))}),
                 Return(Reference("PRTA"))});
}

// A PIRQ as one of the 8259s' inputs: its routing register says which (bit 7: none).
Term PicLink(uint32_t pirq) {
  const Term route = Reference(LinkName("PRQ", pirq));
  return Device(
      LinkName("LNK", pirq),
      {Name("_HID", EisaId("PNP0C0F")), Name("_UID", Integer(pirq)),
       Name("_PRS", ResourceTemplate({SharedLevelInterrupt({5, 10, 11})})),
       Method("_STA", 0, false,
              {If(And(route, Integer(0x80)), {Return(Integer(0x09))}), Return(Integer(0x0b))}),
       Method("_DIS", 0, false, {OrInto(route, Integer(0x80))}),
       Method("_CRS", 0, true,
              {Name("PRR0", ResourceTemplate({SharedLevelInterrupt({0})})),
               CreateDwordField(Reference("PRR0"), Integer(5), "PRRI"),
               AndInto(Reference("PRRI"), route, Integer(0x0f)), Return(Reference("PRR0"))}),
       Method("_SRS", 1, true,
              {CreateDwordField(Arg(0), Integer(5), "PRRI"), Store(Reference("PRRI"), route)})});
}

// ... and as its pin of the IOAPIC, which is fixed.
Term ApicLink(uint32_t pirq) {
  const Term resource = ResourceTemplate({SharedLevelInterrupt({kFirstPirqGsi + pirq})});
  return Device(LinkName("GSI", pirq),
                {Name("_HID", EisaId("PNP0C0F")), Name("_UID", Integer(kFirstPirqGsi + pirq)),
                 Name("_PRS", resource), Name("_CRS", resource), Method("_DIS", 0, false, {}),
                 Method("_SRS", 1, false, {})});
}

// --- devices ------------------------------------------------------------------------------------

Term Com(size_t index) {
  const SerialPlace& place = kQ35Serials[index];
  return Device(
      fmt::format("COM{}", index + 1),
      {Name("_HID", EisaId("PNP0501")), Name("_UID", Integer(index + 1)),
       Name("_STA", Integer(kStatusAllPresent)),
       Name("_CRS", ResourceTemplate({IoPorts(place.port, kSerialPorts), IrqNoFlags(place.irq)}))});
}

Term Rtc() {
  return Device("RTC",
                {Name("_HID", EisaId("PNP0B00")),
                 Name("_CRS", ResourceTemplate({IoPorts(kRtcPort, 8), IrqNoFlags(kRtcGsi)}))});
}

Term LpcBridge(const Q35AcpiConfig& config) {
  Terms body = {Name("_ADR", Integer(0x1f0000)),
                OperationRegion("PIRQ", AddressSpace::kPciConfig, 0x60, 0x0c),
                Field("PIRQ", FieldAccess::kByte, FieldUpdate::kPreserve,
                      {{"PRQA", 8},
                       {"PRQB", 8},
                       {"PRQC", 8},
                       {"PRQD", 8},
                       {"", 32},
                       {"PRQE", 8},
                       {"PRQF", 8},
                       {"PRQG", 8},
                       {"PRQH", 8}})};
  for (uint32_t pirq = 0; pirq < kPirqs; ++pirq) body.push_back(PicLink(pirq));
  for (uint32_t pirq = 0; pirq < kPirqs; ++pirq) body.push_back(ApicLink(pirq));
  for (size_t i = 0; i < config.serials.size(); ++i) {
    if (config.serials[i]) body.push_back(Com(i));
  }
  body.push_back(Rtc());
  return Device("LPC", body);
}

// A device that only says that its ports are taken.
Term Ports(const char* name, const Term& hid, const char* uid, uint16_t base, uint8_t count) {
  return Device(name,
                {Name("_HID", hid), Name("_UID", String(uid)), Name("_STA", Integer(kStatusHidden)),
                 Name("_CRS", ResourceTemplate({IoPorts(base, count)}))});
}

Term Windows(const Q35AcpiConfig& config) {
  std::vector<Resource> windows = {
      BusNumbers(0, 0xff),
      IoPorts(kPciConfigPorts, 8),
      IoWindow(0, kPciConfigPorts - 1),
      IoWindow(kPciConfigPorts + 8, 0xffff),
      MemoryWindow32(kVgaHoleBase, kVgaHoleBase + kVgaHoleSize - 1, MemoryCaching::kCacheable),
  };
  const auto hole = static_cast<uint32_t>(config.ram_below_4g);
  if (hole < kQ35EcamBase) {
    windows.push_back(MemoryWindow32(hole, kQ35EcamBase - 1, MemoryCaching::kNone));
  }
  windows.push_back(
      MemoryWindow32(kQ35EcamBase + kQ35EcamSize, kQ35PciHoleEnd - 1, MemoryCaching::kNone));
  if (config.hole64_size != 0) {
    windows.push_back(MemoryWindow64(config.hole64_base,
                                     config.hole64_base + config.hole64_size - 1,
                                     MemoryCaching::kCacheable));
  }
  return Name("_CRS", ResourceTemplate(windows));
}

Term PciHost(const Q35AcpiConfig& config) {
  Terms body = {
      Name("_HID", EisaId("PNP0A08")),
      Name("_CID", EisaId("PNP0A03")),
      Name("_ADR", Integer(0)),
      Name("_UID", Integer(0)),
      OperatingSystemCapabilities(!config.pci_slots),
      RoutingTable("PRTP", "LNK"),
      RoutingTable("PRTA", "GSI"),
      RoutingMethod(),
      Windows(config),
      Device("S00", {Name("_ADR", Integer(0))}),
      LpcBridge(config),
      Ports("GPE0", String("PNP0A06"), "GPE0 resources", kQ35PmBase + kGpe0Offset, kGpe0Size),
      CpuHotplugRegisters(),
      Ports("FWCF", String("QEMU0002"), "fw_cfg", kFwCfgPort, 12)};
  if (config.pci_slots) {
    const Terms slots = PciSlots(*config.pci_slots, kQ35PciHotplugPort);
    body.insert(body.end(), slots.begin(), slots.end());
  }
  return Device("PCI0", body);
}

// Linux wants the ECAM window reserved by a motherboard resource.
Term EcamReservation() {
  return Device(
      "DRAC",
      {Name("_HID", EisaId("PNP0C01")),
       Name("_CRS", ResourceTemplate({MemoryWindow32(kQ35EcamBase, kQ35EcamBase + kQ35EcamSize - 1,
                                                     MemoryCaching::kNone)}))});
}

}  // namespace

std::vector<std::byte> BuildQ35Dsdt(const Q35AcpiConfig& config) {
  Terms devices = {PciHost(config), EcamReservation(), CpuContainer(config.cpus)};
  static_assert(kQ35CpuHotplugGpe == 2);
  Terms events = {Name("_HID", String("ACPI0006")), Method("_E02", 0, false, {ScanCpus()})};
  if (config.memory_slots != 0) {
    devices.push_back(MemorySlots(config.memory_slots, kQ35MemoryHotplugPorts));
    static_assert(kQ35MemoryHotplugGpe == 3);
    events.push_back(Method("_E03", 0, false, {ScanMemorySlots()}));
  }
  if (config.pci_slots) {
    static_assert(kQ35PciHotplugGpe == 1);
    events.push_back(Method("_E01", 0, false, ScanPciSlots()));
  }
  const Bytes body = Concatenate(
      {Name("PICF", Integer(0)), Method("_PIC", 1, false, {Store(Arg(0), Reference("PICF"))}),
       Scope("_SB", devices), Scope("_GPE", events),
       Name("_S5", Package({Integer(0), Integer(0), Integer(0), Integer(0)}))});
  return acpi::MakeTable("DSDT", kDsdtRevision, std::as_bytes(std::span(body)));
}

}  // namespace davit::boot
