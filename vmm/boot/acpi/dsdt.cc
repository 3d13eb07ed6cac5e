// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The DSDT of the microvm.
#include <fmt/format.h>

#include <span>

#include "vmm/base/check.h"
#include "vmm/boot/acpi/acpi.h"
#include "vmm/boot/acpi/aml.h"
#include "vmm/boot/acpi/table_writer.h"

namespace davit::boot {
namespace {

using namespace aml;  // NOLINT: this file is one AML program

constexpr uint8_t kDsdtRevision = 2;         // integers have 64 bits
constexpr uint8_t kStatusAllPresent = 0x0f;  // _STA: present, enabled, shown, functioning

Term Com1() {
  return Device("COM1", {Name("_HID", EisaId("PNP0501")), Name("_UID", Integer(1)),
                         Name("_STA", Integer(kStatusAllPresent)),
                         Name("_CRS", ResourceTemplate({IoPorts(kSerialPort, kSerialPorts),
                                                        IrqNoFlags(kSerialGsi)}))});
}

Term Rtc() {
  return Device("RTC",
                {Name("_HID", EisaId("PNP0B00")),
                 Name("_CRS", ResourceTemplate({IoPorts(kRtcPort, 2), IrqNoFlags(kRtcGsi)}))});
}

// 5.6.9: the interrupt runs _EVT, which asks the device what happened.
Term GenericEventDevice() {
  const Term event = Local(0);
  const Term button = Integer(kGedEventPowerButton);
  return Device(
      "GED",
      {Name("_HID", String("ACPI0013")), Name("_UID", String("GED")),
       Name("_CRS", ResourceTemplate({Interrupt(kGedGsi, IrqMode::kEdgeHigh)})),
       OperationRegion("EREG", AddressSpace::kSystemMemory, kGedEventBase, kGedEventSize),
       Field("EREG", FieldAccess::kDword, FieldUpdate::kWriteAsZeros, {{"ESEL", 32}}),
       Method("_EVT", 1, true,
              {Store(Reference("ESEL"), event), If(Equal(And(event, button), button),
                                                   {Notify(Reference("PWRB"), Integer(0x80))})})});
}

Term PowerButton() {
  return Device("PWRB", {Name("_HID", String("PNP0C0C")), Name("_UID", Integer(0))});
}

Term Processor(size_t uid) {
  return Device(fmt::format("C{:03X}", uid),
                {Name("_HID", String("ACPI0007")), Name("_UID", Integer(uid))});
}

Term VirtioMmio(const VirtioMmioMap& map, size_t slot) {
  DAVIT_CHECK(slot < map.slots);
  const auto base = static_cast<uint32_t>(map.SlotBase(slot));
  return Device(
      fmt::format("VR{:02}", slot),
      {Name("_HID", String("LNRO0005")), Name("_UID", Integer(slot)), Name("_CCA", Integer(1)),
       Name("_CRS", ResourceTemplate({Memory32Fixed(base, static_cast<uint32_t>(kVirtioMmioStride)),
                                      Interrupt(map.SlotGsi(slot), IrqMode::kLevelHigh)}))});
}

}  // namespace

std::vector<std::byte> BuildDsdt(const AcpiConfig& config) {
  Terms devices;
  for (size_t uid = 0; uid < config.cpus.size(); ++uid) devices.push_back(Processor(uid));
  if (config.serial) devices.push_back(Com1());
  if (config.rtc) devices.push_back(Rtc());
  devices.push_back(GenericEventDevice());
  devices.push_back(PowerButton());
  for (size_t slot : config.virtio_slots) devices.push_back(VirtioMmio(config.virtio, slot));
  const Bytes body = Concatenate(
      {Scope("_SB", devices),
       Name("_S5", Package({Integer(kGedSleepTypeS5), Integer(0), Integer(0), Integer(0)}))});
  return acpi::MakeTable("DSDT", kDsdtRevision, std::as_bytes(std::span(body)));
}

}  // namespace davit::boot
