// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// NUMA nodes of the guest as a control plane asks for them (-numa, set-numa-node) and is told of
// them. Names and meanings follow QAPI NumaOptions. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace davit::control {

// A node; its number is the next one when there is none.
struct NumaNodeOptions {
  std::optional<uint16_t> id;
  std::vector<uint16_t> cpus;         // indexes
  std::optional<uint64_t> mem;        // bytes, of the machine's one block of RAM
  std::optional<std::string> memdev;  // memory backend with the node's RAM
  bool has_initiator = false;         // of the HMAT
};

// How far the memory of dst is from the CPUs of src: 10 is local, 255 unreachable.
struct NumaDistOptions {
  uint16_t src = 0, dst = 0;
  uint8_t val = 0;
};

// The CPUs that all given ids fit are in the node.
struct NumaCpuOptions {
  std::optional<int64_t> node, socket, die, cluster, core, thread;
};

// A row of the table of memory attributes (HMAT).
struct NumaHmatOptions {};

using NumaOption = std::variant<NumaNodeOptions, NumaDistOptions, NumaCpuOptions, NumaHmatOptions>;

// A node of the machine.
struct NumaNodeInfo {
  std::vector<int64_t> cpus;  // indexes of those that are there
  uint64_t size = 0;          // bytes, with what is plugged
  uint64_t plugged = 0;       // bytes
};

}  // namespace davit::control
