// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The properties of machines that machine_options.cc acts on: what `-machine NAME,help` and
// qom-list show, and their values.
#include "vmm/machine/machine_types.h"
#include "vmm/machine/vm.h"

namespace davit::machine {
namespace {

using control::PropertyValue;

// What the values are read from.
struct Source {
  const MachineConfig& config;
  const MachineOptions& options;
  const std::string& ram;  // the object that is the main memory; empty: none
};

PropertyValue Text(const std::string& text) { return {text}; }
PropertyValue Name(OnOffAuto value) {
  return Text(value == OnOffAuto::kAuto ? "auto" : value == OnOffAuto::kOn ? "on" : "off");
}
PropertyValue File(const ImageSource& source) {
  const std::string* const name = std::get_if<std::string>(&source);
  return Text(name != nullptr ? *name : "");
}

struct Row {
  MachineProperty property;
  bool microvm, q35, none;
  PropertyValue (*get)(const Source& from) = nullptr;  // null: no property of the object
};

constexpr Row kRows[] = {
    {{"acpi", "OnOffAuto", "ACPI tables, power button and reset register"},
     true,
     true,
     false,
     [](const Source& from) { return Name(from.options.acpi); }},
    {{"append", "string", "kernel command line"},
     true,
     true,
     true,
     [](const Source& from) { return Text(from.config.append); }},
    {{"dtb", "string", "device tree that the guest's is built on"},
     true,
     true,
     true,
     [](const Source& from) { return Text(from.config.dtb); }},
    {{"dump-guest-core", "bool", "guest memory is part of a core dump"},
     true,
     true,
     true,
     [](const Source& from) { return PropertyValue{from.options.dump_guest_core}; }},
    {{"dumpdtb", "string", "write the guest's device tree to a file and quit"},
     true,
     true,
     true,
     [](const Source& from) { return Text(from.options.dumpdtb); }},
    {{"i8042", "bool", "keyboard controller, for its reset line"},
     false,
     true,
     false,
     [](const Source& from) { return PropertyValue{from.options.i8042}; }},
    {{"initrd", "string", "initial ramdisk"},
     true,
     true,
     true,
     [](const Source& from) { return File(from.config.initrd); }},
    {{"isa-serial", "bool", "serial port"},
     true,
     false,
     false,
     [](const Source& from) { return PropertyValue{from.options.isa_serial}; }},
    {{"kernel", "string", "kernel"},
     true,
     true,
     true,
     [](const Source& from) { return File(from.config.kernel); }},
    {{"kernel-irqchip", "string", "interrupt controllers in KVM: on or split"}, true, true, true},
    {{"mem-merge", "bool", "the kernel may merge equal pages"},
     true,
     true,
     true,
     [](const Source& from) { return PropertyValue{from.options.mem_merge}; }},
    {{"memory-backend", "link<memory-backend>", "object that is the main memory"},
     true,
     true,
     true,
     [](const Source& from) { return Text(from.ram.empty() ? "" : "/objects/" + from.ram); }},
    {{"pic", "OnOffAuto", "i8259 interrupt controllers"},
     true,
     true,
     false,
     [](const Source& from) { return Name(from.options.pic); }},
    {{"pit", "OnOffAuto", "i8254 timer"},
     true,
     true,
     false,
     [](const Source& from) { return Name(from.options.pit); }},
    {{"rtc", "OnOffAuto", "MC146818 real-time clock"},
     true,
     false,
     false,
     [](const Source& from) { return Name(from.options.rtc); }},
};

bool Has(MachineType type, const Row& row) {
  return type == MachineType::kMicrovm ? row.microvm
         : type == MachineType::kQ35   ? row.q35
                                       : row.none;
}

}  // namespace

Result<std::vector<MachineProperty>> KnownMachineProperties(const std::string& name) {
  DAVIT_ASSIGN(const MachineTypeRow* type, FindMachineType(name));
  std::vector<MachineProperty> properties;
  for (const Row& row : kRows) {
    if (Has(type->type, row)) properties.push_back(row.property);
  }
  return properties;
}

std::vector<control::QomProperty> MachineObjectProperties(MachineType type) {
  std::vector<control::QomProperty> properties;
  for (const Row& row : kRows) {
    if (row.get == nullptr || !Has(type, row)) continue;
    properties.push_back({std::string(row.property.name), std::string(row.property.type)});
  }
  return properties;
}

void AddMachineProperties(MachineType type, const MachineConfig& config,
                          const MachineOptions& options, const std::string& ram, QomNode& machine) {
  const Source from{config, options, ram};
  for (const Row& row : kRows) {
    if (row.get == nullptr || !Has(type, row)) continue;
    machine.fixed.push_back(
        {std::string(row.property.name), std::string(row.property.type), row.get(from)});
  }
}

}  // namespace davit::machine
