// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See memory_slots.h. A slot is chosen and asked under one mutex, since methods of several slots
// may run at a time.
#include "vmm/boot/acpi/memory_slots.h"

#include <fmt/format.h>

#include <string>

#include "vmm/base/check.h"
#include "vmm/boot/q35_layout.h"

namespace davit::boot {
namespace {

using namespace aml;  // NOLINT: this file is one AML program

constexpr uint8_t kStatusAllPresent = 0x0f;
constexpr uint8_t kStatusHidden = 0x0b;
constexpr uint64_t kNotifyDeviceCheck = 1, kNotifyEjectRequest = 3;  // 5.6.6

constexpr char kLock[] = "MLCK";
constexpr char kPorts[] = "HPMR";

std::string SlotName(uint32_t slot) { return fmt::format("MP{:02X}", slot); }

// Between Acquire and Release, with the slot chosen.
Terms Locked(const Term& slot, const Terms& body) {
  Terms terms = {Acquire(kLock), Store(slot, Reference("MSEL"))};
  terms.insert(terms.end(), body.begin(), body.end());
  terms.push_back(Release(kLock));
  return terms;
}

Terms LockedReturning(const Term& slot, const Terms& body, const Term& value) {
  Terms terms = Locked(slot, body);
  terms.push_back(Return(value));
  return terms;
}

Terms Registers(uint16_t base) {
  return {
      OperationRegion(kPorts, AddressSpace::kSystemIo, base, kQ35MemoryHotplugSize),
      Field(kPorts, FieldAccess::kDword, FieldUpdate::kPreserve,
            {{"MRBL", 32}, {"MRBH", 32}, {"MRLL", 32}, {"MRLH", 32}, {"MPX", 32}}),
      // A flag that is written leaves the others alone: a zero says nothing.
      Field(kPorts, FieldAccess::kByte, FieldUpdate::kWriteAsZeros,
            {{"", 8 * 0x14}, {"MES", 1}, {"MINS", 1}, {"MRMV", 1}, {"MEJ", 1}}),
      Field(kPorts, FieldAccess::kDword, FieldUpdate::kPreserve,
            {{"MSEL", 32}, {"MOEV", 32}, {"MOSC", 32}}),
      Mutex(kLock),
  };
}

Term StatusMethod() {
  const Term result = Local(0);
  return Method(
      "MRST", 1, false,
      LockedReturning(Arg(0),
                      {Store(Integer(0), result), If(Equal(Reference("MES"), Integer(1)),
                                                     {Store(Integer(kStatusAllPresent), result)})},
                      result));
}

Term ResourcesMethod() {
  const Term buffer = Reference("MR64");
  const auto part = [&buffer](uint64_t offset, const char* name) {
    return CreateQwordField(buffer, Integer(offset), name);
  };
  const Term first = Reference("MINM"), last = Reference("MAXM"), length = Reference("LENM");
  return Method("MCRS", 1, true,
                LockedReturning(Arg(0),
                                {Name("MR64", ResourceTemplate({Memory64(0, 0xffff)})),
                                 part(kMemory64First, "MINM"), part(kMemory64Last, "MAXM"),
                                 part(kMemory64Length, "LENM"),
                                 Join64Into(first, Reference("MRBL"), Reference("MRBH")),
                                 Join64Into(length, Reference("MRLL"), Reference("MRLH")),
                                 SubtractInto(last, Add(first, length), Integer(1))},
                                buffer));
}

Term NodeMethod() {
  return Method("MPXM", 1, false,
                LockedReturning(Arg(0), {Store(Reference("MPX"), Local(0))}, Local(0)));
}

Term ReportMethod() {
  return Method(
      "MOST", 3, false,
      Locked(Arg(0), {Store(Arg(1), Reference("MOEV")), Store(Arg(2), Reference("MOSC"))}));
}

Term EjectMethod() {
  return Method("MEJ0", 1, false, Locked(Arg(0), {Store(Integer(1), Reference("MEJ"))}));
}

Term NotifyMethod(uint32_t slots) {
  Terms body;
  for (uint32_t slot = 0; slot < slots; ++slot) {
    body.push_back(If(Equal(Arg(0), Integer(slot)), {Notify(Reference(SlotName(slot)), Arg(1))}));
  }
  return Method("MTFY", 2, false, body);
}

Term ScanMethod(uint32_t slots) {
  const Term slot = Local(0);
  const auto tell = [&slot](const char* flag, uint64_t what) {
    return If(Equal(Reference(flag), Integer(1)),
              {Call("MTFY", {slot, Integer(what)}), Store(Integer(1), Reference(flag))});
  };
  return Method("MSCN", 0, false,
                {Acquire(kLock), Store(Integer(0), slot),
                 While(Less(slot, Integer(slots)),
                       {Store(slot, Reference("MSEL")), tell("MINS", kNotifyDeviceCheck),
                        tell("MRMV", kNotifyEjectRequest), Increment(slot)}),
                 Release(kLock)});
}

Term Slot(uint32_t slot) {
  const Term number = Integer(slot);
  const auto ask = [&number](const char* method) { return Return(Call(method, {number})); };
  return Device(SlotName(slot),
                {Name("_UID", String(fmt::format("0x{:02X}", slot))),
                 Name("_HID", EisaId("PNP0C80")), Method("_STA", 0, false, {ask("MRST")}),
                 Method("_CRS", 0, false, {ask("MCRS")}), Method("_PXM", 0, false, {ask("MPXM")}),
                 Method("_OST", 3, false, {Call("MOST", {number, Arg(0), Arg(1)})}),
                 Method("_EJ0", 1, false, {Call("MEJ0", {number})})});
}

}  // namespace

Term MemorySlots(uint32_t slots, uint16_t base) {
  DAVIT_CHECK(slots > 0 && slots <= 256);
  Terms body = {
      Name("_HID", String("PNP0A06")), Name("_UID", String("DIMM devices")),
      Name("_STA", Integer(kStatusHidden)),
      Name("_CRS", ResourceTemplate({IoPorts(base, static_cast<uint8_t>(kQ35MemoryHotplugSize))}))};
  const Terms registers = Registers(base);
  body.insert(body.end(), registers.begin(), registers.end());
  body.insert(body.end(), {StatusMethod(), ResourcesMethod(), NodeMethod(), ReportMethod(),
                           EjectMethod(), NotifyMethod(slots), ScanMethod(slots)});
  for (uint32_t slot = 0; slot < slots; ++slot) body.push_back(Slot(slot));
  return Device("MHPC", body);
}

Term ScanMemorySlots() { return Call("\\_SB.MHPC.MSCN", {}); }

}  // namespace davit::boot
