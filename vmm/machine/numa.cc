// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See numa.h.
#include "vmm/machine/numa.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "vmm/base/log.h"

namespace davit::machine {
namespace {

constexpr uint8_t kLocalDistance = 10;

// The words of query-hotpluggable-cpus for a place.
std::string PlaceText(const cpu::Topology& topology, uint32_t cpu) {
  const cpu::ThreadId id = topology.IdOf(cpu);
  const std::string die = topology.dies > 1 ? fmt::format("die-id: {}, ", id.die) : std::string();
  return fmt::format("socket-id: {}, {}core-id: {}, thread-id: {}", id.socket, die, id.core,
                     id.thread);
}

tl::unexpected<Error> NoHmat() {
  return Fail(
      "ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled, enable it with "
      "-machine hmat=on before using any of hmat specific options");
}

}  // namespace

Status Numa::Add(const control::NumaOption& option, const FindMemory& find_memory) {
  Numa next = *this;
  if (const auto* node = std::get_if<control::NumaNodeOptions>(&option)) {
    DAVIT_TRY(next.AddNode(*node, find_memory));
  } else if (const auto* distance = std::get_if<control::NumaDistOptions>(&option)) {
    DAVIT_TRY(next.AddDistance(*distance));
  } else if (const auto* cpu = std::get_if<control::NumaCpuOptions>(&option)) {
    DAVIT_TRY(next.AddCpu(*cpu));
  } else {
    return NoHmat();
  }
  *this = std::move(next);
  return {};
}

bool Numa::present(int64_t node) const {
  return node >= 0 && node < static_cast<int64_t>(nodes_.size()) &&
         nodes_[static_cast<size_t>(node)].present;
}

bool Numa::has_memdevs() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const Node& node) { return node.memory != nullptr; });
}

Status Numa::AddNode(const control::NumaNodeOptions& node, const FindMemory& find_memory) {
  const auto count =
      std::count_if(nodes_.begin(), nodes_.end(), [](const Node& known) { return known.present; });
  const uint32_t id = node.id ? *node.id : static_cast<uint32_t>(count);
  if (id >= kMaxNodes) return Fail(fmt::format("Max number of NUMA nodes reached: {}", id));
  if (present(id)) return Fail(fmt::format("Duplicate NUMA nodeid: {}", id));
  if (node.has_initiator) return NoHmat();
  if (id >= nodes_.size()) nodes_.resize(id + 1);
  for (const uint16_t cpu : node.cpus) {
    if (cpu >= topology_.maxcpus) {
      return Fail(fmt::format("CPU index ({}) should be smaller than maxcpus ({})", cpu,
                              topology_.maxcpus));
    }
    DAVIT_TRY(Assign(cpu, id));
  }
  mem_given_ = mem_given_ || node.mem;
  if (mem_given_ && (node.memdev || has_memdevs())) {
    return Fail("numa configuration should use either mem= or memdev=,mixing both is not allowed");
  }
  if (node.mem) return Fail(kMemRefused);
  if (node.memdev) {
    nodes_[id].memory = find_memory(*node.memdev);
    if (nodes_[id].memory == nullptr) {
      return Fail(fmt::format("memdev={} is ambiguous", *node.memdev));
    }
    nodes_[id].size = nodes_[id].memory->options().size;
  }
  nodes_[id].present = true;
  return {};
}

Status Numa::AddDistance(const control::NumaDistOptions& given) {
  for (const auto& [name, node] : {std::pair("src", given.src), {"dst", given.dst}}) {
    if (node >= kMaxNodes) {
      return Fail(
          fmt::format("Parameter '{}' expects an integer between 0 and {}", name, kMaxNodes - 1));
    }
  }
  if (!present(given.src) || !present(given.dst)) {
    return Fail(
        "Source/Destination NUMA node is missing. Please use '-numa node' option to declare it "
        "first.");
  }
  if (given.val < kLocalDistance) {
    return Fail(fmt::format("NUMA distance ({}) is invalid, it shouldn't be less than {}.",
                            given.val, kLocalDistance));
  }
  if (given.src == given.dst && given.val != kLocalDistance) {
    return Fail(fmt::format("Local distance of node {} should be {}.", given.src, kLocalDistance));
  }
  distances_.resize(size_t{kMaxNodes} * kMaxNodes);
  distance(given.src, given.dst) = given.val;
  return {};
}

Status Numa::AddCpu(const control::NumaCpuOptions& cpu) {
  if (!cpu.node) return Fail("Missing mandatory node-id property");
  if (!present(*cpu.node)) {
    return Fail(
        fmt::format("Invalid node-id={}, NUMA node must be defined with -numa node,nodeid=ID "
                    "before it's used with -numa cpu,node-id=ID",
                    *cpu.node));
  }
  if (cpu.cluster) return Fail("cluster-id is not supported");
  if (cpu.die && topology_.dies == 1) return Fail("die-id is not supported");
  const auto fits = [](const std::optional<int64_t>& asked, uint32_t is) {
    return !asked || *asked == is;
  };
  bool found = false;
  for (uint32_t i = 0; i < topology_.maxcpus; ++i) {
    const cpu::ThreadId id = topology_.IdOf(i);
    if (!fits(cpu.socket, id.socket) || !fits(cpu.die, id.die) || !fits(cpu.core, id.core) ||
        !fits(cpu.thread, id.thread)) {
      continue;
    }
    DAVIT_TRY(Assign(i, static_cast<uint32_t>(*cpu.node)));
    found = true;
  }
  if (!found) return Fail("no match found");
  return {};
}

Status Numa::Assign(uint32_t cpu, uint32_t node) {
  if (cpus_[cpu] && *cpus_[cpu] != node) {
    return Fail(fmt::format("CPU is already assigned to node-id: {}", *cpus_[cpu]));
  }
  cpus_[cpu] = node;
  return {};
}

// --- as a whole ----------------------------------------------------------------------------------

Status Numa::Complete(uint64_t ram_bytes, bool implied) {
  if (nodes_.empty()) {
    if (!implied) return {};
    nodes_.push_back({.present = true, .memory = nullptr, .size = ram_bytes});
  }
  for (size_t i = nodes_.size(); i-- > 0;) {
    if (!nodes_[i].present) return Fail(fmt::format("numa: Node ID missing: {}", i));
  }
  DAVIT_TRY(CheckMemory(ram_bytes));
  DAVIT_TRY(CompleteDistances());
  CompleteCpus();
  return {};
}

Status Numa::CheckMemory(uint64_t ram_bytes) const {
  uint64_t total = 0;
  for (const Node& node : nodes_) total += node.size;
  if (total != ram_bytes) {
    return Fail(fmt::format("total memory for NUMA nodes (0x{:x}) should equal RAM size (0x{:x})",
                            total, ram_bytes));
  }
  std::set<const memory::RamBlock*> used;
  for (const Node& node : nodes_) {
    if (node.memory == nullptr || used.insert(node.memory.get()).second) continue;
    return Fail(fmt::format("memory backend {} can't be used multiple times.", node.memory->id()));
  }
  return {};
}

// One direction stands for both, unless a pair of nodes has two.
Status Numa::CompleteDistances() {
  if (distances_.empty()) return {};
  const size_t count = nodes_.size();
  bool asymmetrical = false;
  for (size_t src = 0; src < count; ++src) {
    for (size_t dst = src + 1; dst < count; ++dst) {
      const uint8_t there = distance(src, dst), back = distance(dst, src);
      if (there == 0 && back == 0) {
        return Fail(
            fmt::format("The distance between node {} and {} is missing, at least one distance "
                        "value between each nodes should be provided.",
                        src, dst));
      }
      asymmetrical = asymmetrical || (there != 0 && back != 0 && there != back);
    }
  }
  for (size_t src = 0; src < count; ++src) {
    for (size_t dst = 0; dst < count; ++dst) {
      if (distance(src, dst) != 0) continue;
      if (src == dst) {
        distance(src, dst) = kLocalDistance;
      } else if (asymmetrical) {
        return Fail(
            "At least one asymmetrical pair of distances is given, please provide distances for "
            "both directions of all node pairs.");
      } else {
        distance(src, dst) = distance(dst, src);
      }
    }
  }
  return {};
}

// By socket when no CPU was named, else node 0 takes the rest.
void Numa::CompleteCpus() {
  const bool named =
      std::any_of(cpus_.begin(), cpus_.end(), [](const auto& node) { return node.has_value(); });
  std::string rest;
  for (uint32_t i = 0; i < cpus_.size(); ++i) {
    if (cpus_[i]) continue;
    if (!named) {
      cpus_[i] = topology_.IdOf(i).socket % static_cast<uint32_t>(nodes_.size());
      continue;
    }
    rest += fmt::format("{}CPU {} [{}]", rest.empty() ? "" : ", ", i, PlaceText(topology_, i));
    cpus_[i] = 0;
  }
  if (!rest.empty()) {
    DAVIT_LOG_WARN("CPU(s) not present in any NUMA nodes: {}", rest);
    DAVIT_LOG_WARN(
        "All CPU(s) up to maxcpus should be described in NUMA config, ability to start up with "
        "partial NUMA mappings is obsoleted and will be removed in future");
  }
}

std::vector<uint8_t> Numa::Distances() const {
  std::vector<uint8_t> rows;
  if (distances_.empty()) return rows;
  const size_t count = nodes_.size();
  rows.reserve(count * count);
  for (size_t src = 0; src < count; ++src) {
    const auto row = distances_.begin() + static_cast<ptrdiff_t>(src * kMaxNodes);
    rows.insert(rows.end(), row, row + static_cast<ptrdiff_t>(count));
  }
  return rows;
}

}  // namespace davit::machine
