// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The NUMA nodes of a machine: which RAM and which CPUs are in each, and how far they are from one
// another, as -numa and set-numa-node say it; errors are QEMU 7.2's words. Knows no vCPU. A value,
// which shares the memory backends that its nodes have. Owner: control thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/control/numa_types.h"
#include "vmm/cpu/topology.h"
#include "vmm/memory/ram_block.h"

namespace davit::machine {

class Numa {
 public:
  static constexpr uint32_t kMaxNodes = 128;
  struct Node {
    bool present = false;
    // Its RAM, whatever its id names by now; null: it has none, or that of the machine.
    std::shared_ptr<memory::RamBlock> memory;
    uint64_t size = 0;  // bytes of RAM that it starts with
  };
  // The memory backend of this id or path; null: there is none.
  using FindMemory = std::function<std::shared_ptr<memory::RamBlock>(const std::string& memdev)>;
  // The error of a node with mem=.
  static constexpr char kMemRefused[] =
      "Parameter -numa node,mem is not supported by this machine type";

  explicit Numa(const cpu::Topology& topology) : topology_(topology), cpus_(topology.maxcpus) {}

  // One option, in the order in which they are given. Error: nothing is changed.
  Status Add(const control::NumaOption& option, const FindMemory& find_memory);
  // No more options come: checks them as a whole and puts the CPUs that none named somewhere.
  // ram_bytes: of the machine. implied: it has one node when it was given none.
  Status Complete(uint64_t ram_bytes, bool implied);

  // By number. Before Complete() some may be missing.
  const std::vector<Node>& nodes() const { return nodes_; }
  bool has_memdevs() const;
  // Of the CPU of this index; nullopt: it is in none (yet).
  std::optional<uint32_t> NodeOf(uint32_t cpu) const { return cpus_[cpu]; }
  // Row by row, as the SLIT has them (ACPI 6.4, 5.2.17). Empty: none was given. After Complete().
  std::vector<uint8_t> Distances() const;

 private:
  Status AddNode(const control::NumaNodeOptions& node, const FindMemory& find_memory);
  Status AddDistance(const control::NumaDistOptions& distance);
  Status AddCpu(const control::NumaCpuOptions& cpu);
  Status Assign(uint32_t cpu, uint32_t node);
  Status CheckMemory(uint64_t ram_bytes) const;
  Status CompleteDistances();
  void CompleteCpus();
  bool present(int64_t node) const;
  uint8_t& distance(size_t src, size_t dst) { return distances_[src * kMaxNodes + dst]; }

  cpu::Topology topology_;
  std::vector<Node> nodes_;
  std::vector<std::optional<uint32_t>> cpus_;  // nodes, by index
  bool mem_given_ = false;
  std::vector<uint8_t> distances_;  // kMaxNodes squared, 0: not given; empty: none is
};

}  // namespace davit::machine
