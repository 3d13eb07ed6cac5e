// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What `-machine NAME,help` lists: the properties that machine_options.cc acts on.
#include "vmm/machine/machine_types.h"
#include "vmm/machine/vm.h"

namespace davit::machine {
namespace {

struct Row {
  MachineProperty property;
  bool microvm, q35, none;
};

constexpr Row kRows[] = {
    {{"acpi", "OnOffAuto", "ACPI tables, power button and reset register"}, true, true, false},
    {{"append", "string", "kernel command line"}, true, true, true},
    {{"dtb", "string", "device tree that the guest's is built on"}, true, true, true},
    {{"dump-guest-core", "bool", "guest memory is part of a core dump"}, true, true, true},
    {{"dumpdtb", "string", "write the guest's device tree to a file and quit"}, true, true, true},
    {{"i8042", "bool", "keyboard controller, for its reset line"}, false, true, false},
    {{"initrd", "string", "initial ramdisk"}, true, true, true},
    {{"isa-serial", "bool", "serial port"}, true, false, false},
    {{"kernel", "string", "kernel"}, true, true, true},
    {{"kernel-irqchip", "string", "interrupt controllers in KVM: on or split"}, true, true, true},
    {{"mem-merge", "bool", "the kernel may merge equal pages"}, true, true, true},
    {{"memory-backend", "string", "object that is the main memory"}, true, true, true},
    {{"pic", "OnOffAuto", "i8259 interrupt controllers"}, true, true, false},
    {{"pit", "OnOffAuto", "i8254 timer"}, true, true, false},
    {{"rtc", "OnOffAuto", "MC146818 real-time clock"}, true, false, false},
};

}  // namespace

Result<std::vector<MachineProperty>> KnownMachineProperties(const std::string& name) {
  DAVIT_ASSIGN(const MachineTypeRow* type, FindMachineType(name));
  std::vector<MachineProperty> properties;
  for (const Row& row : kRows) {
    const bool has = type->type == MachineType::kMicrovm ? row.microvm
                     : type->type == MachineType::kQ35   ? row.q35
                                                         : row.none;
    if (has) properties.push_back(row.property);
  }
  return properties;
}

}  // namespace davit::machine
