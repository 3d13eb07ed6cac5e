// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The -smp hierarchy: validation with QEMU's rules (cores preferred over sockets), and APIC ids,
// in which each level takes a power of two so that shifts separate the levels (Intel SDM 3A,
// "Hierarchical Mapping of Shared Resources").
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "vmm/base/error.h"

namespace davit::cpu {

// What was asked for; what is absent is derived.
struct SmpRequest {
  std::optional<uint64_t> cpus, sockets, dies, clusters, cores, threads, maxcpus;
};

struct SmpLimits {
  std::string machine;  // its type, for errors
  uint32_t max_cpus = 1;
  bool dies = false;  // whether the machine has that level
};

struct ThreadId {
  uint32_t socket = 0, die = 0, core = 0, thread = 0;
  friend bool operator==(const ThreadId&, const ThreadId&) = default;
};

struct Topology {
  uint32_t cpus = 1;     // present at start
  uint32_t maxcpus = 1;  // sockets * dies * cores * threads
  uint32_t sockets = 1, dies = 1, cores = 1, threads = 1;

  static Result<Topology> Create(const SmpRequest& request, const SmpLimits& limits);

  uint32_t threads_per_socket() const { return dies * cores * threads; }
  // Bits of an APIC id below the core, die, socket number.
  uint32_t core_shift() const;
  uint32_t die_shift() const;
  uint32_t socket_shift() const;
  ThreadId IdOf(uint32_t index) const;      // index < maxcpus
  uint32_t ApicIdOf(uint32_t index) const;  // x2APIC id
  uint32_t ApicIdOf(const ThreadId& place) const;
  // What the bits of any APIC id say; need not be a place of this topology.
  ThreadId PlaceOf(uint32_t apic_id) const;
};

}  // namespace davit::cpu
