// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See numa_spec.h.
#include "qmp/handlers/numa_spec.h"

namespace davit::qmp {
namespace {

control::NumaNodeOptions ToNode(const qapi::NumaNodeOptions& from) {
  control::NumaNodeOptions node;
  node.id = from.nodeid;
  if (from.cpus) node.cpus = *from.cpus;
  node.mem = from.mem;
  node.memdev = from.memdev;
  node.has_initiator = from.initiator.has_value();
  return node;
}

}  // namespace

control::NumaOption ToNumaOption(const qapi::NumaOptions& options) {
  if (const auto* node = std::get_if<qapi::NumaNodeOptions>(&options.u)) return ToNode(*node);
  if (const auto* dist = std::get_if<qapi::NumaDistOptions>(&options.u)) {
    return control::NumaDistOptions{dist->src, dist->dst, dist->val};
  }
  if (const auto* cpu = std::get_if<qapi::NumaCpuOptions>(&options.u)) {
    return control::NumaCpuOptions{.node = cpu->node_id,
                                   .socket = cpu->socket_id,
                                   .die = cpu->die_id,
                                   .cluster = cpu->cluster_id,
                                   .core = cpu->core_id,
                                   .thread = cpu->thread_id};
  }
  return control::NumaHmatOptions{};
}

}  // namespace davit::qmp
