// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See cpu_hotplug_dsdt.h.
#include "vmm/boot/acpi/cpu_hotplug_dsdt.h"

#include <fmt/format.h>

#include "vmm/boot/acpi/common.h"
#include "vmm/boot/q35_layout.h"

namespace davit::boot {
namespace {

using namespace aml;  // NOLINT: this file is one AML program

constexpr uint8_t kStatusAllPresent = 0x0f;
// Notifications of devices (5.6.6, table 5.161).
constexpr uint64_t kDeviceCheck = 1, kEjectRequest = 3;
// Commands of the registers.
constexpr uint64_t kNextWithEvent = 0, kOstEvent = 1, kOstStatus = 2;

constexpr char kLock[] = "\\_SB.PCI0.PRES.CPLK";

Term Register(const char* name) { return Reference(fmt::format("\\_SB.PCI0.PRES.{}", name)); }
Term Set(const char* name, const Term& value) { return Store(value, Register(name)); }
Term Flag(const char* name) { return Equal(Register(name), Integer(1)); }

std::string CpuName(size_t uid) { return fmt::format("C{:03X}", uid); }

// Each argument is a UID first.
Term StatusMethod() {
  return Method("CSTA", 1, true,
                {Acquire(kLock), Set("CSEL", Arg(0)), Store(Integer(0), Local(0)),
                 If(Flag("CPEN"), {Store(Integer(kStatusAllPresent), Local(0))}), Release(kLock),
                 Return(Local(0))});
}

Term EjectMethod() {
  return Method("CEJ0", 1, true,
                {Acquire(kLock), Set("CSEL", Arg(0)), Set("CEJ0", Integer(1)), Release(kLock)});
}

// What _OST was called with.
Term ReportMethod() {
  return Method(
      "COST", 3, true,
      {Acquire(kLock), Set("CSEL", Arg(0)), Set("CCMD", Integer(kOstEvent)), Set("CDAT", Arg(1)),
       Set("CCMD", Integer(kOstStatus)), Set("CDAT", Arg(2)), Release(kLock)});
}

Term NotifyMethod(size_t cpus) {
  Terms body;
  body.reserve(cpus);
  for (size_t uid = 0; uid < cpus; ++uid) {
    body.push_back(If(Equal(Arg(0), Integer(uid)), {Notify(Reference(CpuName(uid)), Arg(1))}));
  }
  return Method("CTFY", 2, false, body);
}

// Passes on and clears the events of all CPUs, one at a time, until there is none.
Term ScanMethod() {
  const Term uid = Local(0), more = Local(1);
  const auto pass_on = [&](const char* event, uint64_t notification) {
    return Terms{Call("CTFY", {uid, Integer(notification)}), Set(event, Integer(1)),
                 Store(Integer(1), more)};
  };
  return Method(
      "CSCN", 0, true,
      {Acquire(kLock), Set("CSEL", Integer(0)), Store(Integer(1), more),
       While(Equal(more, Integer(1)),
             {Store(Integer(0), more), Set("CCMD", Integer(kNextWithEvent)),
              Store(Register("CDAT"), uid), If(Flag("CINS"), pass_on("CINS", kDeviceCheck)),
              Else({If(Flag("CRMV"), pass_on("CRMV", kEjectRequest))})}),
       Release(kLock)});
}

// _MAT (6.2.10): its MADT entry, always enabled, since it is read when the CPU is there.
Term MadtEntry(size_t uid, const AcpiCpu& cpu) {
  const std::vector<std::byte> entry = acpi::MadtCpu(uid, {cpu.apic_id, true});
  Bytes bytes(entry.size());
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(entry[i]);
  return Name("_MAT", Buffer(bytes));
}

// CPU 0 stays.
Term Processor(size_t uid, const AcpiCpu& cpu) {
  Terms body = {Name("_HID", String("ACPI0007")), Name("_UID", Integer(uid)),
                Method("_STA", 0, true, {Return(Call("CSTA", {Integer(uid)}))}),
                MadtEntry(uid, cpu)};
  if (uid != 0) body.push_back(Method("_EJ0", 1, false, {Call("CEJ0", {Integer(uid)})}));
  if (cpu.node) body.push_back(Name("_PXM", Integer(*cpu.node)));
  body.push_back(Method("_OST", 3, true, {Call("COST", {Integer(uid), Arg(0), Arg(1)})}));
  return Device(CpuName(uid), body);
}

}  // namespace

Term CpuHotplugRegisters() {
  return Device(
      "PRES",
      {Name("_HID", EisaId("PNP0A06")), Name("_UID", String("CPU Hotplug resources")),
       Mutex("CPLK"),
       Name("_CRS", ResourceTemplate({IoPorts(kQ35CpuHotplugPort, kQ35CpuHotplugModernPorts)})),
       OperationRegion("PRST", AddressSpace::kSystemIo, kQ35CpuHotplugPort,
                       kQ35CpuHotplugModernPorts),
       Field("PRST", FieldAccess::kByte, FieldUpdate::kWriteAsZeros,
             {{"", 32}, {"CPEN", 1}, {"CINS", 1}, {"CRMV", 1}, {"CEJ0", 1}, {"", 4}, {"CCMD", 8}}),
       Field("PRST", FieldAccess::kDword, FieldUpdate::kPreserve,
             {{"CSEL", 32}, {"", 32}, {"CDAT", 32}}),
       Method("_INI", 0, true, {Store(Integer(0), Reference("CSEL"))})});
}

Term CpuContainer(std::span<const AcpiCpu> cpus) {
  Terms body = {Name("_HID", String("ACPI0010")),
                Name("_CID", EisaId("PNP0A05")),
                NotifyMethod(cpus.size()),
                StatusMethod(),
                EjectMethod(),
                ScanMethod(),
                ReportMethod()};
  for (size_t uid = 0; uid < cpus.size(); ++uid) body.push_back(Processor(uid, cpus[uid]));
  return Device("CPUS", body);
}

Term ScanCpus() { return Call("\\_SB.CPUS.CSCN", {}); }

}  // namespace davit::boot
