// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See machine_types.h.
#include "vmm/machine/machine_types.h"

#include "vmm/base/units.h"
#include "vmm/boot/microvm_layout.h"
#include "vmm/boot/q35_layout.h"
#include "vmm/cpu/features.h"
#include "vmm/cpu/model.h"
#include "vmm/machine/vm.h"

namespace davit::machine {
namespace {

std::vector<MachineTypeRow> MakeRows() {
  MachineTypeRow microvm;
  microvm.type = MachineType::kMicrovm;
  microvm.info.name = "microvm";
  microvm.info.is_default = true;
  microvm.info.cpu_max = 255;
  microvm.info.default_cpu_type = "host-x86_64-cpu";
  microvm.info.default_ram_id = "microvm.ram";
  microvm.info.acpi = true;
  microvm.info.description = "microvm (i386)";
  microvm.default_ram = 128 * kMiB;
  microvm.max_ram_below_4g = [](uint64_t) { return boot::kMicrovmMaxRamBelow4G; };
  microvm.has_cpus = true;

  MachineTypeRow q35;
  q35.type = MachineType::kQ35;
  q35.info.name = "pc-q35-7.2";
  q35.info.alias = "q35";
  q35.info.cpu_max = 255;
  q35.info.hotpluggable_cpus = true;
  q35.info.default_cpu_type = "host-x86_64-cpu";
  q35.info.default_ram_id = "pc.ram";
  q35.info.acpi = true;
  q35.info.description = "Standard PC (Q35 + ICH9, 2009)";
  q35.default_ram = 128 * kMiB;
  q35.max_ram_below_4g = boot::Q35MaxRamBelow4G;
  q35.has_cpus = true;

  MachineTypeRow none;
  none.type = MachineType::kNone;
  none.info.name = "none";
  none.info.cpu_max = 1;
  none.info.default_ram_id = "ram";
  none.info.description = "empty machine";
  none.max_ram_below_4g = microvm.max_ram_below_4g;
  std::vector<MachineTypeRow> rows = {microvm, none, q35};
  for (MachineTypeRow& row : rows) row.info.properties = MachineObjectProperties(row.type);
  return rows;
}

}  // namespace

const std::vector<MachineTypeRow>& MachineTypeRows() {
  static const std::vector<MachineTypeRow> kRows = MakeRows();
  return kRows;
}

Result<const MachineTypeRow*> FindMachineType(const std::string& name) {
  for (const MachineTypeRow& row : MachineTypeRows()) {
    if (name.empty()
            ? row.info.is_default
            : name == row.info.name || (!row.info.alias.empty() && name == row.info.alias)) {
      return &row;
    }
  }
  return Fail("unsupported machine type\nUse -machine help to list supported machines");
}

std::vector<control::MachineTypeInfo> KnownMachineTypes() {
  std::vector<control::MachineTypeInfo> infos;
  for (const MachineTypeRow& row : MachineTypeRows()) infos.push_back(row.info);
  return infos;
}

std::vector<control::CpuDefinition> KnownCpuDefinitions() {
  std::vector<control::CpuDefinition> definitions;
  // Last name first, as QEMU lists them.
  const std::vector<cpu::ModelName>& models = cpu::ModelNames();
  for (auto model = models.rbegin(); model != models.rend(); ++model) {
    control::CpuDefinition definition;
    definition.name = model->name;
    definition.type_name = definition.name + "-x86_64-cpu";
    definitions.push_back(std::move(definition));
  }
  return definitions;
}

std::vector<std::string> KnownCpuFeatures() { return cpu::FeatureNames(); }

}  // namespace davit::machine
