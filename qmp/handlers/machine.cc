// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qapi/machine.json and qapi/machine-target.json.
#include "qmp/handlers/object_spec.h"
#include "qmp/handlers/parts.h"

namespace davit::qmp {
namespace {

std::optional<std::string> IfAny(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

qapi::CpuInstanceProperties ToQapi(const control::CpuTopology& place) {
  return {.node_id = place.node,
          .socket_id = place.socket,
          .die_id = place.die,
          .core_id = place.core,
          .thread_id = place.thread};
}

}  // namespace

Result<std::vector<qapi::CpuInfoFast>> MachineHandlers::QueryCpusFast(Context&) {
  std::vector<qapi::CpuInfoFast> rows;
  for (const control::CpuInfo& cpu : vm_.Cpus()) {
    rows.push_back({.cpu_index = cpu.index,
                    .qom_path = cpu.qom_path,
                    .thread_id = cpu.host_tid,
                    .props = ToQapi(cpu.topology),
                    .target = qapi::SysEmuTarget::kX8664});
  }
  return rows;
}

Result<std::vector<qapi::HotpluggableCPU>> MachineHandlers::QueryHotpluggableCpus(Context&) {
  DAVIT_ASSIGN(const std::vector<control::HotpluggableCpu> cpus, vm_.HotpluggableCpus());
  std::vector<qapi::HotpluggableCPU> rows;
  rows.reserve(cpus.size());
  for (const control::HotpluggableCpu& cpu : cpus) {
    rows.push_back({.type = cpu.type,
                    .vcpus_count = 1,
                    .props = ToQapi(cpu.topology),
                    .qom_path = IfAny(cpu.qom_path)});
  }
  return rows;
}

Result<std::vector<qapi::MachineInfo>> MachineHandlers::QueryMachines(Context&) {
  std::vector<qapi::MachineInfo> rows;
  for (const control::MachineTypeInfo& type : vm_.MachineTypes()) {
    qapi::MachineInfo row{.name = type.name,
                          .alias = IfAny(type.alias),
                          .cpu_max = type.cpu_max,
                          .hotpluggable_cpus = type.hotpluggable_cpus,
                          .numa_mem_supported = type.numa_mem_supported,
                          .deprecated = type.deprecated,
                          .default_cpu_type = IfAny(type.default_cpu_type),
                          .default_ram_id = IfAny(type.default_ram_id)};
    if (type.is_default) row.is_default = true;
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<qapi::CurrentMachineParams> MachineHandlers::QueryCurrentMachine(Context&) {
  return qapi::CurrentMachineParams{vm_.wakeup_suspend_support()};
}

Result<qapi::TargetInfo> MachineHandlers::QueryTarget(Context&) {
  return qapi::TargetInfo{qapi::SysEmuTarget::kX8664};
}

Result<qapi::UuidInfo> MachineHandlers::QueryUuid(Context&) { return qapi::UuidInfo{vm_.uuid()}; }

Result<qapi::KvmInfo> MachineHandlers::QueryKvm(Context&) {
  return qapi::KvmInfo{vm_.kvm_enabled(), vm_.kvm_present()};
}

Status MachineHandlers::SystemReset(Context&) { return vm_.SystemReset(); }
Status MachineHandlers::SystemPowerdown(Context&) { return vm_.SystemPowerdown(); }
Status MachineHandlers::SystemWakeup(Context&) { return vm_.SystemWakeup(); }
Status MachineHandlers::InjectNmi(Context&) { return vm_.InjectNmi(); }

Result<std::vector<qapi::Memdev>> MachineHandlers::QueryMemdev(Context&) {
  std::vector<qapi::Memdev> rows;
  for (const control::MemdevInfo& memdev : vm_.Memdevs()) {
    rows.push_back(
        {.id = IfAny(memdev.id),
         .size = memdev.size,
         .merge = memdev.merge,
         .dump = memdev.dump,
         .prealloc = memdev.prealloc,
         .share = memdev.share,
         .reserve = memdev.reserve,
         .host_nodes = memdev.host_nodes,
         .policy =
             qapi::HostMemPolicyFromString(memdev.policy).value_or(qapi::HostMemPolicy::kDefault)});
  }
  return rows;
}

Result<qapi::MemoryInfo> MachineHandlers::QueryMemorySizeSummary(Context&) {
  const control::MemorySizeSummary summary = vm_.MemorySize();
  return qapi::MemoryInfo{summary.base_memory, summary.plugged_memory};
}

Result<std::vector<qapi::MemoryDeviceInfo>> MachineHandlers::QueryMemoryDevices(Context&) {
  std::vector<qapi::MemoryDeviceInfo> rows;
  for (const control::MemoryDeviceInfo& device : vm_.MemoryDevices()) {
    if (device.kind == control::MemoryDeviceInfo::Kind::kVirtioMem) {
      qapi::VirtioMEMDeviceInfo mem{.id = IfAny(device.id),
                                    .memaddr = device.address,
                                    .requested_size = device.requested_size,
                                    .size = device.size,
                                    .max_size = device.max_size,
                                    .block_size = device.block_size,
                                    .node = device.node,
                                    .memdev = device.memdev};
      rows.push_back({qapi::MemoryDeviceInfoKind::kVirtioMem,
                      qapi::VirtioMEMDeviceInfoWrapper{std::move(mem)}});
      continue;
    }
    qapi::PCDIMMDeviceInfo dimm{.id = IfAny(device.id),
                                .addr = static_cast<int64_t>(device.address),
                                .size = static_cast<int64_t>(device.size),
                                .slot = device.slot,
                                .node = device.node,
                                .memdev = device.memdev,
                                .hotplugged = device.hotplugged,
                                .hotpluggable = true};
    rows.push_back(
        {qapi::MemoryDeviceInfoKind::kDimm, qapi::PCDIMMDeviceInfoWrapper{std::move(dimm)}});
  }
  return rows;
}

Status MachineHandlers::Dumpdtb(Context&, const qapi::DumpdtbArgs& args) {
  return vm_.DumpDtb(args.filename);
}

Status MachineHandlers::Balloon(Context&, const qapi::BalloonArgs& args) {
  // A machine without the device says so first, as QEMU does.
  DAVIT_TRY(vm_.BalloonActual());
  if (args.value <= 0) return Fail("Parameter 'target' expects a size");
  return vm_.SetBalloon(static_cast<uint64_t>(args.value));
}

Result<qapi::BalloonInfo> MachineHandlers::QueryBalloon(Context&) {
  DAVIT_ASSIGN(const uint64_t actual, vm_.BalloonActual());
  return qapi::BalloonInfo{static_cast<int64_t>(actual)};
}

Result<std::vector<qapi::CpuDefinitionInfo>> MachineTargetHandlers::QueryCpuDefinitions(Context&) {
  std::vector<qapi::CpuDefinitionInfo> rows;
  for (control::CpuDefinition& definition : vm_.CpuDefinitions()) {
    rows.push_back({.name = std::move(definition.name),
                    .migration_safe = definition.migration_safe,
                    .static_ = definition.is_static,
                    .unavailable_features = std::move(definition.unavailable_features),
                    .typename_ = std::move(definition.type_name)});
  }
  return rows;
}

Result<qapi::CpuModelExpansionInfo> MachineTargetHandlers::QueryCpuModelExpansion(
    Context&, const qapi::QueryCpuModelExpansionArgs& args) {
  control::CpuModelInfo model{args.model.name, {}};
  if (args.model.props) {
    const json::Object* const props = args.model.props->AsObject();
    if (props == nullptr) {
      return Fail("Invalid parameter type for 'model.props', expected: object");
    }
    for (const auto& [name, value] : props->members()) {
      DAVIT_ASSIGN(control::PropertyValue typed, ToPropertyValue(value, name));
      model.props.push_back({name, std::move(typed)});
    }
  }
  DAVIT_ASSIGN(const control::CpuModelInfo expanded,
               vm_.ExpandCpuModel(model, args.type == qapi::CpuModelExpansionType::kFull
                                             ? control::CpuModelExpansion::kFull
                                             : control::CpuModelExpansion::kStatic));
  json::Object props;
  for (const auto& [name, value] : expanded.props) props.Append(name, ToJson(value));
  return qapi::CpuModelExpansionInfo{{expanded.name, json::Value(std::move(props))}};
}

}  // namespace davit::qmp
