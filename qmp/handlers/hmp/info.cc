// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See commands.h. The topics of "info".
#include <fmt/format.h>

#include <iterator>

#include "qmp/handlers/hmp/block.h"
#include "qmp/handlers/hmp/commands.h"
#include "qmp/handlers/hmp/info_pci.h"
#include "qmp/handlers/hmp/registers.h"
#include "vmm/base/units.h"

namespace davit::qmp::hmp {
namespace {

using control::QtreeNode;
using control::RunState;

template <typename... T>
void Print(Call& call, fmt::format_string<T...> format, T&&... values) {
  fmt::format_to(std::back_inserter(call.out), format, std::forward<T>(values)...);
}

Status Balloon(Call& call) {
  DAVIT_ASSIGN(const uint64_t actual, call.vm.BalloonActual());
  Print(call, "balloon: actual={}\n", actual >> 20);
  return {};
}

Status Chardevs(Call& call) {
  for (const control::ChardevInfo& info : call.chardevs.Chardevs()) {
    Print(call, "{}: filename={}\n", info.label, info.filename);
  }
  return {};
}

Status Cpus(Call& call) {
  for (const control::CpuInfo& cpu : call.vm.Cpus()) {
    Print(call, "{} CPU #{}: thread_id={}\n", cpu.index == call.current_cpu ? '*' : ' ', cpu.index,
          cpu.host_tid);
  }
  return {};
}

Status HotpluggableCpus(Call& call) {
  DAVIT_ASSIGN(const std::vector<control::HotpluggableCpu> cpus, call.vm.HotpluggableCpus());
  call.out += "Hotpluggable CPUs:\n";
  for (const control::HotpluggableCpu& cpu : cpus) {
    Print(call, "  type: \"{}\"\n  vcpus_count: \"1\"\n", cpu.type);
    if (!cpu.qom_path.empty()) Print(call, "  qom_path: \"{}\"\n", cpu.qom_path);
    call.out += "  CPUInstance Properties:\n";
    if (cpu.topology.node) Print(call, "    node-id: \"{}\"\n", *cpu.topology.node);
    Print(call, "    socket-id: \"{}\"\n", cpu.topology.socket);
    if (cpu.topology.die) Print(call, "    die-id: \"{}\"\n", *cpu.topology.die);
    Print(call, "    core-id: \"{}\"\n    thread-id: \"{}\"\n", cpu.topology.core,
          cpu.topology.thread);
  }
  return {};
}

Status IoThreads(Call& call) {
  for (const control::IoThreadInfo& thread : call.vm.IoThreads()) {
    Print(call,
          "{}:\n  thread_id={}\n  poll-max-ns={}\n  poll-grow={}\n  poll-shrink={}\n"
          "  aio-max-batch={}\n",
          thread.id, thread.thread_id, thread.poll_max_ns, thread.poll_grow, thread.poll_shrink,
          thread.aio_max_batch);
  }
  return {};
}

Status Kvm(Call& call) {
  Print(call, "kvm support: {}\n",
        !call.vm.kvm_present()  ? "not compiled"
        : call.vm.kvm_enabled() ? "enabled"
                                : "disabled");
  return {};
}

Status Memdevs(Call& call) {
  const auto on = [](bool value) { return value ? "true" : "false"; };
  for (const control::MemdevInfo& memdev : call.vm.Memdevs()) {
    Print(call,
          "memory backend: {}\n  size:  {}\n  merge: {}\n  dump: {}\n  prealloc: {}\n  share: {}\n",
          memdev.id, memdev.size, on(memdev.merge), on(memdev.dump), on(memdev.prealloc),
          on(memdev.share));
    if (memdev.reserve) Print(call, "  reserve: {}\n", on(*memdev.reserve));
    Print(call, "  policy: {}\n  host nodes: ", memdev.policy);
    for (size_t i = 0; i < memdev.host_nodes.size(); ++i) {
      Print(call, "{}{}", i == 0 ? "" : ",", memdev.host_nodes[i]);
    }
    call.out += '\n';
  }
  call.out += '\n';
  return {};
}

Status Numa(Call& call) {
  const std::vector<control::NumaNodeInfo> nodes = call.vm.NumaNodes();
  Print(call, "{} nodes\n", nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    Print(call, "node {} cpus:", i);
    for (const int64_t cpu : nodes[i].cpus) Print(call, " {}", cpu);
    Print(call, "\nnode {} size: {} MB\nnode {} plugged: {} MB\n", i, nodes[i].size / kMiB, i,
          nodes[i].plugged / kMiB);
  }
  return {};
}

Status MemoryDevices(Call& call) {
  for (const control::MemoryDeviceInfo& device : call.vm.MemoryDevices()) {
    if (device.kind == control::MemoryDeviceInfo::Kind::kVirtioMem) {
      Print(call, "Memory device [virtio-mem]: \"{}\"\n  memaddr: 0x{:x}\n  node: {}\n", device.id,
            device.address, device.node);
      Print(call, "  requested-size: {}\n  size: {}\n  max-size: {}\n", device.requested_size,
            device.size, device.max_size);
      Print(call, "  block-size: {}\n  memdev: {}\n", device.block_size, device.memdev);
      continue;
    }
    Print(call, "Memory device [dimm]: \"{}\"\n  addr: 0x{:x}\n  slot: {}\n  node: {}\n", device.id,
          device.address, device.slot, device.node);
    Print(call, "  size: {}\n  memdev: {}\n  hotplugged: {}\n  hotpluggable: true\n", device.size,
          device.memdev, device.hotplugged);
  }
  return {};
}

Status MemorySize(Call& call) {
  const control::MemorySizeSummary summary = call.vm.MemorySize();
  Print(call, "base memory: {}\n", summary.base_memory);
  if (summary.plugged_memory) Print(call, "plugged memory: {}\n", *summary.plugged_memory);
  return {};
}

Status Name(Call& call) {
  if (!call.vm.name().empty()) Print(call, "{}\n", call.vm.name());
  return {};
}

Status Pci(Call& call) {
  call.out += FormatPci(call.vm.Pci());
  return {};
}

Status Network(Call& call) {
  for (const control::NetClientInfo& client : call.net.NetClients()) {
    Print(call, "{}{}: index={},type={},{}\n", client.is_peer ? " \\ " : "", client.name,
          client.index, client.type, client.info);
  }
  return {};
}

void PrintBus(Call& call, const QtreeNode::Bus& bus, int indent) {
  Print(call, "{:{}}bus: {}\n{:{}}type {}\n", "", indent, bus.name, "", indent + 2, bus.type);
  for (const QtreeNode& device : bus.devices) {
    Print(call, "{:{}}dev: {}, id \"{}\"\n", "", indent + 2, device.type, device.id);
    for (const auto& [name, value] : device.properties) {
      Print(call, "{:{}}{} = {}\n", "", indent + 4, name, value);
    }
    for (const std::string& line : device.lines) Print(call, "{:{}}{}\n", "", indent + 4, line);
    for (const QtreeNode::Bus& child : device.buses) PrintBus(call, child, indent + 4);
  }
}

Status Qtree(Call& call) {
  PrintBus(call, call.vm.Qtree(), 0);
  return {};
}

Status Registers(Call& call) {
  DAVIT_ASSIGN(const auto registers, call.vm.Registers());
  const int64_t cpu = call.has_number ? call.number : call.current_cpu;
  bool found = call.all;
  for (const control::CpuRegisters& one : registers) {
    if (!call.all && one.index != cpu) continue;
    found = true;
    call.out += FormatRegisters(one);
  }
  if (found) return {};
  if (call.has_number) {
    Print(call, "CPU#{} not available\n", cpu);
  } else {
    call.out += "No CPU available\n";
  }
  return {};
}

Status RunStatus(Call& call) {
  const RunState state = call.vm.run_state();
  const bool running = state == RunState::kRunning;
  Print(call, "VM status: {}", running ? "running" : "paused");
  if (!running && state != RunState::kPaused) Print(call, " ({})", RunStateName(state));
  call.out += '\n';
  return {};
}

Status Uuid(Call& call) {
  Print(call, "{}\n", call.vm.uuid());
  return {};
}

Status Version(Call& call) {
  Print(call, "{}\n", call.version);
  return {};
}

constexpr Command kInfo[] = {
    {.name = "balloon", .usage = "", .help = "show the size of the balloon", .run = Balloon},
    {.name = "block",
     .usage = "[-n] [-v] [device]",
     .help = "show the disks (-n: all nodes, -v: more of each)",
     .form = Form::kTwoFlagsOptionalText,
     .wanted = "block device name",
     .run = InfoBlock,
     .flags = "nv"},
    {.name = "blockstats",
     .usage = "",
     .help = "show what the disks have done",
     .run = InfoBlockStats},
    {.name = "chardev", .usage = "", .help = "show the character devices", .run = Chardevs},
    {.name = "cpus", .usage = "", .help = "show the CPUs and their threads", .run = Cpus},
    {.name = "hotpluggable-cpus",
     .usage = "",
     .help = "show the CPUs that the machine can have",
     .run = HotpluggableCpus},
    {.name = "iothreads", .usage = "", .help = "show the I/O threads", .run = IoThreads},
    {.name = "kvm", .usage = "", .help = "show if KVM is in use", .run = Kvm},
    {.name = "memdev", .usage = "", .help = "show the memory backends", .run = Memdevs},
    {.name = "memory-devices", .usage = "", .help = "show memory devices", .run = MemoryDevices},
    {.name = "memory_size_summary",
     .usage = "",
     .help = "show the size of the guest's memory",
     .run = MemorySize},
    {.name = "name", .usage = "", .help = "show the VM's name", .run = Name},
    {.name = "network",
     .usage = "",
     .help = "show the network cards and their host ends",
     .run = Network},
    {.name = "numa",
     .usage = "",
     .help = "show the NUMA nodes, their CPUs and memory",
     .run = Numa},
    {.name = "pci", .usage = "", .help = "show the PCI devices", .run = Pci},
    {.name = "qtree", .usage = "", .help = "show the tree of buses and devices", .run = Qtree},
    {.name = "registers",
     .usage = "[-a|vcpu]",
     .help = "show the registers of a CPU (-a: of all of them)",
     .form = Form::kCpu,
     .run = Registers},
    {.name = "status", .usage = "", .help = "show the VM's run state", .run = RunStatus},
    {.name = "uuid", .usage = "", .help = "show the VM's UUID", .run = Uuid},
    {.name = "version", .usage = "", .help = "show the version", .run = Version},
};

}  // namespace

std::span<const Command> InfoCommands() { return kInfo; }

}  // namespace davit::qmp::hmp
