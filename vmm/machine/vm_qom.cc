// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vm_impl.h: the tree of objects (qom_node.h), from what the VM has at the moment.
#include <fmt/format.h>

#include "vmm/backend/char/registry.h"
#include "vmm/machine/vm_impl.h"

namespace davit::machine {
namespace {

constexpr const char* kContainer = "container";

control::PropertyValue Number(uint64_t value) { return {value}; }

// QAPI SMPConfiguration.
control::PropertyValue SmpValue(const cpu::Topology& topology) {
  return {control::PropertyMap{{"cpus", Number(topology.cpus)},
                               {"maxcpus", Number(topology.maxcpus)},
                               {"sockets", Number(topology.sockets)},
                               {"dies", Number(topology.dies)},
                               {"clusters", Number(1)},
                               {"cores", Number(topology.cores)},
                               {"threads", Number(topology.threads)}}};
}

// QAPI MemorySizeConfiguration.
control::PropertyValue MemoryValue(uint64_t size, const MemoryConfig& config) {
  control::PropertyMap map{{"size", Number(size)}};
  if (config.maxmem) {
    map.push_back({"slots", Number(config.slots)});
    map.push_back({"max-size", Number(*config.maxmem)});
  }
  return {std::move(map)};
}

// The node that a path below /machine names: "/machine/unattached/device[0]".
QomNode& Folder(QomNode& machine, const std::string& path) {
  constexpr std::string_view kMachine = "/machine/";
  const size_t begin = kMachine.size();
  return machine.At(path.substr(begin, path.rfind('/') - begin), kContainer);
}

}  // namespace

void VmImpl::AddCpusTo(QomNode& machine) const {
  const std::string type = cpu::TypeNameOf(CpuModelText());
  for (const control::CpuInfo& cpu : Cpus()) {
    // Others are devices, which show themselves.
    if (!cpu.qom_path.starts_with("/machine/unattached/")) continue;
    const QomDeviceState state{.hotpluggable = true};  // as its type is
    QomNode node = DeviceNode(cpu.qom_path.substr(cpu.qom_path.rfind('/') + 1), type, state);
    for (const auto& [name, value] : {std::pair("socket-id", cpu.topology.socket),
                                      {"die-id", cpu.topology.die.value_or(0)},
                                      {"core-id", cpu.topology.core},
                                      {"thread-id", cpu.topology.thread},
                                      {"node-id", cpu.topology.node.value_or(-1)}}) {
      node.fixed.push_back({name, "int32", {value}});
    }
    const uint32_t apic_id = cpu_slots_->at(static_cast<uint32_t>(cpu.index)).apic_id;
    node.fixed.push_back({"apic-id", "uint32", {uint64_t{apic_id}}});
    // A feature that the host has not is an error at start, or a warning then.
    node.fixed.push_back({"unavailable-features", "strList", {control::PropertyList()}});
    Folder(machine, cpu.qom_path).Add(std::move(node));
  }
}

QomNode VmImpl::QomTree() const {
  QomNode root{.name = "", .type = kContainer};
  QomNode objects{.name = "objects", .type = kContainer};
  objects_->AddTo(objects);
  if (!objects.children.empty()) root.Add(std::move(objects));

  QomNode& machine = root.Add({.name = "machine", .type = row_->info.name + "-machine"});
  // Of several there is no property, as in QEMU.
  const std::string ram =
      ram_ids_.size() == 1 && !(numa_ && numa_->has_memdevs()) ? ram_ids_[0] : "";
  AddMachineProperties(row_->type, config_, options_, ram, machine);
  machine.fixed.push_back({"smp", "SMPConfiguration", SmpValue(topology_)});
  machine.fixed.push_back(
      {"memory", "MemorySizeConfiguration", MemoryValue(MemorySize().base_memory, config_.memory)});
  machine.At("unattached", kContainer).Add({.name = "sysbus", .type = "System"});
  machine.At("peripheral", kContainer);
  machine.At("peripheral-anon", kContainer);
  AddCpusTo(machine);
  if (devices_ != nullptr) devices_->AddTo(machine);

  QomNode& chardevs = root.Add({.name = "chardevs", .type = kContainer});
  if (deps_.chardevs == nullptr) return root;
  for (const backend::ChardevInfo& info : deps_.chardevs->List()) {
    chardevs.Add({.name = info.label, .type = fmt::format("chardev-{}", info.backend)});
  }
  return root;
}

Result<control::QomObject> VmImpl::QomFind(const std::string& path) const {
  return FindObject(QomTree(), path);
}

Result<std::optional<control::PropertyValue>> VmImpl::QomGet(const std::string& path,
                                                             const std::string& property) const {
  return ReadProperty(QomTree(), path, property);
}

Status VmImpl::QomSet(const std::string& path, const std::string& property,
                      const control::PropertyValue& value) {
  return WriteProperty(QomTree(), path, property, value);
}

}  // namespace davit::machine
