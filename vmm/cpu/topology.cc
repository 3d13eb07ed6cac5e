// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See topology.h.
#include "vmm/cpu/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

namespace davit::cpu {
namespace {

uint32_t BitsFor(uint32_t count) { return static_cast<uint32_t>(std::bit_width(count - 1)); }

// Values above this are nonsense; bounding them keeps the products in 64 bits.
constexpr uint64_t kMaxCount = 65535;

}  // namespace

Result<Topology> Topology::Create(const SmpRequest& request, const SmpLimits& limits) {
  for (const auto* value : {&request.cpus, &request.sockets, &request.dies, &request.clusters,
                            &request.cores, &request.threads, &request.maxcpus}) {
    if (!value->has_value()) continue;
    if (**value == 0) {
      return Fail("Invalid CPU topology: CPU topology parameters must be greater than zero");
    }
    if (**value > kMaxCount) {
      return Fail(fmt::format("Invalid SMP CPUs {}. The max CPUs supported by machine '{}' is {}",
                              static_cast<int64_t>(**value), limits.machine, limits.max_cpus));
    }
  }
  if (!limits.dies && request.dies.value_or(1) > 1) {
    return Fail("dies not supported by this machine's CPU topology");
  }
  if (request.clusters.value_or(1) > 1) {
    return Fail("clusters not supported by this machine's CPU topology");
  }
  uint64_t sockets = request.sockets.value_or(0), cores = request.cores.value_or(0),
           threads = request.threads.value_or(0), maxcpus = request.maxcpus.value_or(0);
  const uint64_t dies = request.dies.value_or(1);
  if (!request.cpus && maxcpus == 0) {
    sockets = std::max<uint64_t>(sockets, 1);
    cores = std::max<uint64_t>(cores, 1);
    threads = std::max<uint64_t>(threads, 1);
  } else {
    if (maxcpus == 0) maxcpus = *request.cpus;
    if (cores == 0) {
      sockets = std::max<uint64_t>(sockets, 1);
      threads = std::max<uint64_t>(threads, 1);
      cores = maxcpus / (sockets * dies * threads);
    } else if (sockets == 0) {
      threads = std::max<uint64_t>(threads, 1);
      sockets = maxcpus / (dies * cores * threads);
    }
    if (threads == 0) threads = maxcpus / (sockets * dies * cores);
  }
  const uint64_t product = sockets * dies * cores * threads;
  if (maxcpus == 0) maxcpus = product;
  const uint64_t cpus = request.cpus.value_or(maxcpus);
  const std::string hierarchy =
      fmt::format("sockets ({}){} * cores ({}) * threads ({})", sockets,
                  request.dies ? fmt::format(" * dies ({})", dies) : "", cores, threads);
  if (product != maxcpus) {
    return Fail(fmt::format(
        "Invalid CPU topology: product of the hierarchy must match maxcpus: {} != maxcpus ({})",
        hierarchy, maxcpus));
  }
  if (maxcpus < cpus) {
    return Fail(
        fmt::format("Invalid CPU topology: maxcpus must be equal to or greater than smp: {} == "
                    "maxcpus ({}) < smp_cpus ({})",
                    hierarchy, maxcpus, cpus));
  }
  if (maxcpus > limits.max_cpus) {
    return Fail(fmt::format("Invalid SMP CPUs {}. The max CPUs supported by machine '{}' is {}",
                            maxcpus, limits.machine, limits.max_cpus));
  }
  Topology topology;
  topology.cpus = static_cast<uint32_t>(cpus);
  topology.maxcpus = static_cast<uint32_t>(maxcpus);
  topology.sockets = static_cast<uint32_t>(sockets);
  topology.dies = static_cast<uint32_t>(dies);
  topology.cores = static_cast<uint32_t>(cores);
  topology.threads = static_cast<uint32_t>(threads);
  return topology;
}

uint32_t Topology::core_shift() const { return BitsFor(threads); }
uint32_t Topology::die_shift() const { return core_shift() + BitsFor(cores); }
uint32_t Topology::socket_shift() const { return die_shift() + BitsFor(dies); }

ThreadId Topology::IdOf(uint32_t index) const {
  return {index / (dies * cores * threads), index / (cores * threads) % dies,
          index / threads % cores, index % threads};
}

uint32_t Topology::ApicIdOf(uint32_t index) const { return ApicIdOf(IdOf(index)); }

uint32_t Topology::ApicIdOf(const ThreadId& place) const {
  return place.socket << socket_shift() | place.die << die_shift() | place.core << core_shift() |
         place.thread;
}

ThreadId Topology::PlaceOf(uint32_t apic_id) const {
  const auto bits = [apic_id](uint32_t from, uint32_t to) {
    return apic_id >> from & ((1U << (to - from)) - 1);
  };
  return {apic_id >> socket_shift(), bits(die_shift(), socket_shift()),
          bits(core_shift(), die_shift()), bits(0, core_shift())};
}

}  // namespace davit::cpu
