// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See numa.h.
#include "vmm/boot/acpi/numa.h"

#include <algorithm>

#include "vmm/boot/acpi/table_writer.h"
#include "vmm/boot/acpi/tables.h"
#include "vmm/boot/pc_layout.h"

namespace davit::boot {
namespace {

using Table = std::vector<std::byte>;

constexpr uint32_t kEnabled = 1u << 0;
constexpr uint32_t kHotPluggable = 1u << 1;  // of memory
// APIC ids from here on need the x2APIC form.
constexpr uint32_t kFirstX2apicId = 255;
// No RAM that a guest may use lies between them.
constexpr uint64_t kLowMemoryEnd = 0xa0000, kHighMemoryStart = kMiB;

void AppendCpu(const AcpiCpu& cpu, Table& srat) {
  const uint32_t node = cpu.node.value_or(0);
  if (cpu.apic_id >= kFirstX2apicId) {
    acpi::Append(
        &srat, acpi::SratX2apic{2, sizeof(acpi::SratX2apic), 0, node, cpu.apic_id, kEnabled, 0, 0});
    return;
  }
  acpi::SratLapic entry{};
  entry.length = sizeof(entry);
  entry.node_low = static_cast<uint8_t>(node);
  entry.apic_id = static_cast<uint8_t>(cpu.apic_id);
  entry.flags = kEnabled;
  acpi::Append(&srat, entry);
}

void AppendMemory(uint32_t node, uint64_t base, uint64_t end, uint32_t flags, Table& srat) {
  if (base >= end && flags != 0) return;
  acpi::SratMemory entry{};
  entry.type = 1;
  entry.length = sizeof(entry);
  entry.node = node;
  entry.base = base;
  entry.size = end - base;
  entry.flags = flags;
  acpi::Append(&srat, entry);
}

// RAM of one node, which is [begin, end) of all RAM.
void AppendNode(uint32_t node, uint64_t begin, uint64_t end, uint64_t below_4g, Table& srat) {
  const auto append = [&](uint64_t first, uint64_t last) {
    AppendMemory(node, first, last, kEnabled, srat);
  };
  append(begin, std::min(end, kLowMemoryEnd));
  append(std::max(begin, kHighMemoryStart), std::min(end, below_4g));
  if (end > below_4g) {
    append(kRamAbove4GBase + (std::max(begin, below_4g) - below_4g),
           kRamAbove4GBase + (end - below_4g));
  }
}

}  // namespace

Table BuildSrat(const Q35AcpiConfig& config) {
  Table body;
  acpi::Append(&body, le32(1));  // a revision that says nothing
  acpi::Append(&body, le64(0));
  for (const AcpiCpu& cpu : config.cpus) AppendCpu(cpu, body);
  const size_t memory = body.size();
  uint64_t at = 0;
  const auto nodes = static_cast<uint32_t>(config.numa_nodes.size());
  for (uint32_t node = 0; node < nodes; ++node) {
    AppendNode(node, at, at + config.numa_nodes[node], config.ram_below_4g, body);
    at += config.numa_nodes[node];
  }
  // As in QEMU, the table is as long wherever the nodes' borders are: the entries that the holes
  // did not need are not enabled.
  while ((body.size() - memory) / sizeof(acpi::SratMemory) < nodes + 2) {
    AppendMemory(0, 0, 0, 0, body);
  }
  // A DIMM's own _PXM says where it is; until then the window is the last node's.
  if (config.device_memory.size != 0) {
    AppendMemory(nodes - 1, config.device_memory.base, config.device_memory.end(),
                 kEnabled | kHotPluggable, body);
  }
  return acpi::MakeTable("SRAT", 1, body);
}

Table BuildSlit(const Q35AcpiConfig& config) {
  Table body;
  acpi::Append(&body, le64(config.numa_nodes.size()));
  for (const uint8_t distance : config.numa_distances) acpi::Append(&body, distance);
  return acpi::MakeTable("SLIT", 1, body);
}

}  // namespace davit::boot
