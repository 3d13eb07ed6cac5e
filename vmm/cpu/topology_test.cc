// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -smp: derivation of what is absent, QEMU's errors, APIC ids.
#include "vmm/cpu/topology.h"

#include <gtest/gtest.h>

namespace davit::cpu {
namespace {

const SmpLimits kLimits{"microvm", 255, true};

std::string ErrorOf(const SmpRequest& request, const SmpLimits& limits = kLimits) {
  auto topology = Topology::Create(request, limits);
  return topology ? "no error" : topology.error().message;
}

TEST(Topology, NothingGivenIsOneCpu) {
  auto topology = Topology::Create({}, kLimits);
  ASSERT_TRUE(topology);
  EXPECT_EQ(topology->cpus, 1U);
  EXPECT_EQ(topology->maxcpus, 1U);
}

TEST(Topology, CpusAloneBecomeCores) {
  auto topology = Topology::Create({.cpus = 6}, kLimits);
  ASSERT_TRUE(topology);
  EXPECT_EQ(topology->sockets, 1U);
  EXPECT_EQ(topology->cores, 6U);
  EXPECT_EQ(topology->threads, 1U);
}

TEST(Topology, CoresGivenDeriveSockets) {
  auto topology = Topology::Create({.cpus = 8, .cores = 2, .threads = 2}, kLimits);
  ASSERT_TRUE(topology);
  EXPECT_EQ(topology->sockets, 2U);
}

TEST(Topology, SocketsAndCoresGivenDeriveThreads) {
  auto topology = Topology::Create({.cpus = 8, .sockets = 2, .cores = 2}, kLimits);
  ASSERT_TRUE(topology);
  EXPECT_EQ(topology->threads, 2U);
}

TEST(Topology, MaxcpusMayExceedCpus) {
  auto topology = Topology::Create({.cpus = 2, .maxcpus = 8}, kLimits);
  ASSERT_TRUE(topology);
  EXPECT_EQ(topology->cpus, 2U);
  EXPECT_EQ(topology->cores, 8U);
}

TEST(Topology, ErrorsAreWordedAsQemus) {
  EXPECT_EQ(
      ErrorOf({.cpus = 4, .sockets = 3}),
      "Invalid CPU topology: product of the hierarchy must match maxcpus: sockets (3) * cores "
      "(1) * threads (1) != maxcpus (4)");
  EXPECT_EQ(
      ErrorOf({.cpus = 4, .maxcpus = 2}),
      "Invalid CPU topology: maxcpus must be equal to or greater than smp: sockets (1) * cores "
      "(2) * threads (1) == maxcpus (2) < smp_cpus (4)");
  EXPECT_EQ(ErrorOf({.cpus = 300}),
            "Invalid SMP CPUs 300. The max CPUs supported by machine 'microvm' is 255");
  EXPECT_EQ(ErrorOf({.cpus = UINT64_MAX}),
            "Invalid SMP CPUs -1. The max CPUs supported by machine 'microvm' is 255");
  EXPECT_EQ(ErrorOf({.cpus = 2}, {"none", 1, false}),
            "Invalid SMP CPUs 2. The max CPUs supported by machine 'none' is 1");
  EXPECT_EQ(ErrorOf({.cpus = 4, .dies = 2}, {"none", 255, false}),
            "dies not supported by this machine's CPU topology");
  EXPECT_EQ(ErrorOf({.cpus = 2, .clusters = 2}),
            "clusters not supported by this machine's CPU topology");
  EXPECT_EQ(ErrorOf({.cpus = 0}),
            "Invalid CPU topology: CPU topology parameters must be greater than zero");
}

TEST(Topology, HugeValuesDoNotOverflow) {
  EXPECT_NE(ErrorOf({.cpus = 4, .sockets = 65535, .dies = 65535, .cores = 65535, .threads = 65535}),
            "no error");
  EXPECT_NE(ErrorOf({.cpus = UINT64_MAX}), "no error");
}

TEST(Topology, ApicIdsLeaveRoomForAPowerOfTwo) {
  auto topology =
      Topology::Create({.cpus = 24, .sockets = 2, .dies = 2, .cores = 3, .threads = 2}, kLimits);
  ASSERT_TRUE(topology);
  EXPECT_EQ(topology->core_shift(), 1U);
  EXPECT_EQ(topology->die_shift(), 3U);
  EXPECT_EQ(topology->socket_shift(), 4U);
  EXPECT_EQ(topology->IdOf(23), (ThreadId{1, 1, 2, 1}));
  EXPECT_EQ(topology->ApicIdOf(23), 1U << 4 | 1U << 3 | 2U << 1 | 1U);
  EXPECT_EQ(topology->ApicIdOf(6), 1U << 3);
}

}  // namespace
}  // namespace davit::cpu
