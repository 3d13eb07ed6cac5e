// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See help.h. Lists that tools read (machines, CPUs, accelerators) have QEMU's layout.
#include "daemon/help.h"

#include <fmt/format.h>

#include <iterator>
#include <sstream>

#include "daemon/options/log_items.h"
#include "daemon/options/table.h"
#include "daemon/version.h"
#include "qmp/handlers/device_spec.h"
#include "schema/qapi/types.h"
#include "vmm/backend/char/registry.h"
#include "vmm/machine/vm.h"

namespace davit::daemon {
namespace {

std::string VersionText() {
  return fmt::format("{} (QMP and command line of QEMU emulator version {}.{}.{})\n", kPackage,
                     kQmpMajor, kQmpMinor, kQmpMicro);
}

std::string Usage() {
  std::string text = VersionText() + "usage: davitd [options]\n\n";
  for (const OptionRow& row : OptionTable()) {
    if (!row.listed) continue;
    fmt::format_to(std::back_inserter(text), "-{}{}{}\n", row.name, row.argument.empty() ? "" : " ",
                   row.argument);
    std::istringstream lines{std::string(row.help)};
    for (std::string line; std::getline(lines, line);) {
      fmt::format_to(std::back_inserter(text), "{:16}{}\n", "", line);
    }
  }
  text +=
      "\nWithout -kernel the built-in probe guest runs. One or two dashes begin an option.\n"
      "Example: davitd -nographic -qmp unix:/tmp/qmp,server=on,wait=off\n";
  return text;
}

std::string Machines() {
  std::string text = "Supported machines are:\n";
  for (const control::MachineTypeInfo& type : machine::KnownMachineTypes()) {
    if (!type.alias.empty()) {
      fmt::format_to(std::back_inserter(text), "{:<20} {} (alias of {})\n", type.alias,
                     type.description, type.name);
    }
    fmt::format_to(std::back_inserter(text), "{:<20} {}{}\n", type.name, type.description,
                   type.is_default ? " (default)" : "");
  }
  return text;
}

std::string MachineProperties(const std::string& type) {
  const auto properties = machine::KnownMachineProperties(type);
  if (!properties) return properties.error().message + "\n";
  std::string text = fmt::format("{}-machine options:\n", type);
  for (const machine::MachineProperty& property : *properties) {
    const std::string left = fmt::format("  {}=<{}>", property.name, property.type);
    fmt::format_to(std::back_inserter(text), "{:<24} - {}\n", left, property.help);
  }
  return text;
}

std::string Cpus() {
  std::string text = "Available CPUs:\n";
  for (const control::CpuDefinition& cpu : machine::KnownCpuDefinitions()) {
    fmt::format_to(std::back_inserter(text), "x86 {}\n", cpu.name);
  }
  text += "\nRecognized CPUID flags:\n";
  size_t column = 0;
  for (const std::string& name : machine::KnownCpuFeatures()) {
    if (column != 0 && column + name.size() + 1 > 76) {
      text += '\n';
      column = 0;
    }
    text += column == 0 ? "  " : " ";
    text += name;
    column += name.size() + 1;
  }
  return text + "\n";
}

std::string Objects() {
  std::string text = "List of user creatable objects:\n";
  for (std::string_view name : qapi::kObjectTypeNames) text += fmt::format("  {}\n", name);
  return text;
}

std::string Chardevs() {
  std::string text = "Available chardev backend types: \n";
  for (std::string_view name : backend::ChardevRegistry::BackendNames()) {
    text += fmt::format("  {}\n", name);
  }
  return text;
}

std::string Netdevs() {
  std::string text = "Available netdev backend types:\n";
  for (const std::string_view name : qapi::kNetClientDriverNames) {
    text += fmt::format("{}\n", name);
  }
  return text;
}

std::string LogItems() {
  std::string text = "Log items (comma separated):\n";
  for (const LogItem& item : kLogItems) text += fmt::format("{:<15} {}\n", item.name, item.help);
  return text;
}

// The keys of an option that takes a list, in QEMU's layout.
std::string OptionKeys(const std::string& name) {
  constexpr std::string_view kTypes[] = {"str", "bool (on/off)", "num", "size"};
  const OptionRow* row = FindOption(name);
  const std::string_view group = row->schema->group.empty() ? row->name : row->schema->group;
  std::string text = fmt::format("{} options:\n", group);
  for (const ParamSpec& spec : row->schema->params) {
    const std::string key =
        fmt::format("{}=<{}>", spec.name, kTypes[static_cast<size_t>(spec.type)]);
    fmt::format_to(std::back_inserter(text), "  {:<22} - {}\n", key, spec.help);
  }
  return text;
}

}  // namespace

std::string HelpText(Show what, const Options& options) {
  switch (what) {
    case Show::kHelp:
      return Usage();
    case Show::kVersion:
      return VersionText();
    case Show::kMachines:
      return Machines();
    case Show::kMachineProperties:
      return MachineProperties(options.machine.type);
    case Show::kCpus:
      return Cpus();
    case Show::kAccels:
      return "Accelerators supported in davitd:\nqtest\nkvm\n";
    case Show::kDevices:
      return qmp::DevicesText();
    case Show::kDeviceProperties:
      return qmp::DevicePropertiesText(options.show_option).value();
    case Show::kObjects:
      return Objects();
    case Show::kChardevs:
      return Chardevs();
    case Show::kNetdevs:
      return Netdevs();
    case Show::kAudiodevs:
      return "Available audio drivers:\nnone\n";
    case Show::kLogItems:
      return LogItems();
    case Show::kOptionKeys:
      return OptionKeys(options.show_option);
  }
  return {};
}

}  // namespace davit::daemon
