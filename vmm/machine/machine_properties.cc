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
  bool microvm_only;
};

constexpr Row kRows[] = {
    {{"acpi", "OnOffAuto", "ACPI tables, power button and reset register"}, true},
    {{"append", "string", "kernel command line"}, false},
    {{"dtb", "string", "device tree that the guest's is built on"}, false},
    {{"dump-guest-core", "bool", "guest memory is part of a core dump"}, false},
    {{"dumpdtb", "string", "write the guest's device tree to a file and quit"}, false},
    {{"initrd", "string", "initial ramdisk"}, false},
    {{"isa-serial", "bool", "serial port"}, true},
    {{"kernel", "string", "kernel"}, false},
    {{"kernel-irqchip", "string", "interrupt controllers in KVM: on or split"}, false},
    {{"mem-merge", "bool", "the kernel may merge equal pages"}, false},
    {{"memory-backend", "string", "object that is the main memory"}, false},
    {{"pic", "OnOffAuto", "i8259 interrupt controllers"}, true},
    {{"pit", "OnOffAuto", "i8254 timer"}, true},
    {{"rtc", "OnOffAuto", "MC146818 real-time clock"}, true},
};

}  // namespace

Result<std::vector<MachineProperty>> KnownMachineProperties(const std::string& name) {
  DAVIT_ASSIGN(const MachineTypeRow* type, FindMachineType(name));
  std::vector<MachineProperty> properties;
  for (const Row& row : kRows) {
    if (!row.microvm_only || type->type == MachineType::kMicrovm)
      properties.push_back(row.property);
  }
  return properties;
}

}  // namespace davit::machine
