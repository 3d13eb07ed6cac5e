// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// CPU models: `-cpu host|max[,+feat][,-feat][,feat=on|off][,property=value]` over what KVM
// supports, as one CPUID table; and that table with the leaves that differ between vCPUs
// (topology, APIC id) filled in. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/cpu/topology.h"
#include "vmm/kvm/types.h"

namespace davit::cpu {

// What the model is built on.
struct HostCpu {
  std::vector<kvm::CpuidEntry> supported;  // KVM_GET_SUPPORTED_CPUID
  std::string brand;                       // of the host's CPU; may be empty
  bool tsc_deadline = false;               // KVM emulates the TSC deadline timer
  bool local_apic_in_kernel = true;
  bool mwait = false;  // MWAIT runs without an exit (cpu-pm=on)
};

struct CpuModel {
  std::string name;       // "host"
  std::string type_name;  // "host-x86_64-cpu"
  std::vector<kvm::CpuidEntry> cpuid;
  std::vector<std::string> warnings;  // for the log, one line each
};

// "-cpu help" and query-cpu-definitions.
struct ModelName {
  const char* name;
  const char* description;
};
const std::vector<ModelName>& ModelNames();

// "host,+avx" -> "host-x86_64-cpu".
std::string TypeNameOf(const std::string& text);
// Checks the model's and the properties' names and values without a host. Error: QEMU's wording.
Status CheckModelText(const std::string& text);
// text: the argument of -cpu, not empty.
Result<CpuModel> BuildModel(const std::string& text, const HostCpu& host);
// The table of vCPU `index`.
std::vector<kvm::CpuidEntry> CpuidOf(const CpuModel& model, const Topology& topology,
                                     uint32_t index);

}  // namespace davit::cpu
