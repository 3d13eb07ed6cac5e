// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Where CPU devices go, and the words for those that go nowhere: QEMU 7.2's for the same device on
// the same topology.
#include "vmm/machine/cpu_slots.h"

#include <gtest/gtest.h>

namespace davit::machine {
namespace {

cpu::Topology Shape(uint64_t sockets, uint64_t dies, uint64_t cores, uint64_t threads) {
  cpu::SmpRequest request;
  request.cpus = 1;
  request.sockets = sockets;
  request.dies = dies;
  request.cores = cores;
  request.threads = threads;
  request.maxcpus = sockets * dies * cores * threads;
  return *cpu::Topology::Create(request, {"pc-q35-7.2", 288, true});
}

// "-smp 1,maxcpus=8,sockets=2,dies=2,cores=2": APIC ids are the indexes.
class CpuSlotsTest : public testing::Test {
 protected:
  CpuSlotsTest() { slots_.FillAtStart(0); }
  // The index, or what is wrong.
  std::string Find(const CpuIds& ids, const std::string& driver = "max-x86_64-cpu") {
    const auto index = slots_.Find(driver, ids);
    return index ? std::to_string(*index) : index.error().message;
  }
  CpuSlots slots_{Shape(2, 2, 2, 1), "max-x86_64-cpu"};
};

TEST_F(CpuSlotsTest, IdsNameASlot) {
  EXPECT_EQ(Find({.socket = 1, .die = 0, .core = 1, .thread = 0}), "5");
  EXPECT_EQ(Find({.apic = 3}), "3");
  EXPECT_EQ(Find({.die = 1, .core = 1, .apic = 3}), "3");
}

TEST_F(CpuSlotsTest, TheNodeIsThatOfNumaAndNoOther) {
  EXPECT_EQ(Find({.apic = 3, .node = 0}), "3") << "without nodes it is 0";
  EXPECT_EQ(Find({.apic = 3, .node = 1}), "invalid node-id, must be 0");
  EXPECT_FALSE(slots_.TopologyOf(3).node);
  Numa numa(Shape(2, 2, 2, 1));
  const auto no_memory = [](const std::string&) { return nullptr; };
  ASSERT_TRUE(numa.Add(control::NumaNodeOptions{}, no_memory));
  ASSERT_TRUE(numa.Add(control::NumaNodeOptions{.id = {}, .cpus = {3}, .mem = {}, .memdev = {}},
                       no_memory));
  CpuSlots slots(Shape(2, 2, 2, 1), "max-x86_64-cpu", &numa);
  EXPECT_EQ(slots.TopologyOf(3).node, 1);
  EXPECT_TRUE(slots.Find("max-x86_64-cpu", {.apic = 3, .node = 1}));
  EXPECT_EQ(slots.Find("max-x86_64-cpu", {.apic = 3, .node = 0}).error().message,
            "invalid node-id, must be 1");
}

TEST_F(CpuSlotsTest, EachMissingIdIsNamed) {
  EXPECT_EQ(Find({}), "CPU socket-id is not set");
  EXPECT_EQ(Find({.socket = 0, .core = 1, .thread = 0}), "CPU die-id is not set");
  EXPECT_EQ(Find({.socket = 0, .die = 0}), "CPU core-id is not set");
  EXPECT_EQ(Find({.socket = 0, .die = 0, .core = 1}), "CPU thread-id is not set");
}

TEST_F(CpuSlotsTest, DieMayBeLeftOutWhereThereIsOne) {
  CpuSlots slots(Shape(2, 1, 2, 1), "max-x86_64-cpu");
  const auto index = slots.Find("max-x86_64-cpu", {.socket = 1, .core = 1, .thread = 0});
  ASSERT_TRUE(index) << index.error();
  EXPECT_EQ(*index, 3u);
  EXPECT_FALSE(slots.TopologyOf(3).die);
}

TEST_F(CpuSlotsTest, IdsOutOfRangeAreNamedWithTheRange) {
  EXPECT_EQ(Find({.socket = 9}), "Invalid CPU socket-id: 9 must be in range 0:1");
  EXPECT_EQ(Find({.socket = 0, .die = 3}), "Invalid CPU die-id: 3 must be in range 0:1");
  EXPECT_EQ(Find({.socket = 0, .die = 0, .core = 7}),
            "Invalid CPU core-id: 7 must be in range 0:1");
  EXPECT_EQ(Find({.socket = 0, .die = 0, .core = 0, .thread = 5}),
            "Invalid CPU thread-id: 5 must be in range 0:0");
  EXPECT_EQ(Find({.apic = 9}),
            "Invalid CPU [socket: 2, die: 0, core: 1, thread: 0] with APIC ID 9, "
            "valid index range 0:7");
}

TEST_F(CpuSlotsTest, ContradictionsAreNamed) {
  EXPECT_EQ(Find({.socket = 1, .apic = 3}),
            "property socket-id: 1 doesn't match set apic-id: 0x3 (socket-id: 0)");
  EXPECT_EQ(Find({.die = 0, .apic = 3}),
            "property die-id: 0 doesn't match set apic-id: 0x3 (die-id: 1)");
  EXPECT_EQ(Find({.core = 0, .apic = 3}),
            "property core-id: 0 doesn't match set apic-id: 0x3 (core-id: 1)");
  EXPECT_EQ(Find({.thread = 4, .apic = 3}),
            "property thread-id: 4 doesn't match set apic-id: 0x3 (thread-id: 0)");
}

TEST_F(CpuSlotsTest, TypeIsThatOfTheMachine) {
  EXPECT_EQ(Find({.apic = 3}, "qemu64-x86_64-cpu"),
            "Invalid CPU type, expected cpu type: 'max-x86_64-cpu'");
  EXPECT_EQ(Find({.apic = 3}, "host-x86_64-cpu"), "3") << "a kind of max";
  CpuSlots host(Shape(1, 1, 2, 1), "host-x86_64-cpu");
  EXPECT_FALSE(host.Find("max-x86_64-cpu", {.apic = 1}));
}

TEST_F(CpuSlotsTest, TakenSlotIsFreeAgainWhenItsCpuHasGone) {
  EXPECT_EQ(Find({.apic = 0}), "CPU[0] with APIC ID 0 exists");
  slots_.Fill(5, {"max-x86_64-cpu", "c5", "/machine/peripheral/c5", {}});
  EXPECT_EQ(Find({.apic = 5}), "CPU[5] with APIC ID 5 exists");
  EXPECT_EQ(slots_.present(), 2u);
  slots_.Clear(5);
  EXPECT_EQ(Find({.apic = 5}), "5");
  EXPECT_EQ(slots_.present(), 1u);
}

TEST_F(CpuSlotsTest, IndexAndApicIdDifferWhereLevelsAreNoPowersOfTwo) {
  CpuSlots slots(Shape(2, 1, 3, 1), "max-x86_64-cpu");
  slots.FillAtStart(3);
  const auto found = slots.Find("max-x86_64-cpu", {.apic = 4});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message, "CPU[3] with APIC ID 4 exists");
  EXPECT_FALSE(slots.Find("max-x86_64-cpu", {.apic = 3})) << "core 3 of 3 cores";
}

TEST_F(CpuSlotsTest, PresentOnesAreFoundByPath) {
  slots_.Fill(5, {"max-x86_64-cpu", "c5", "/machine/peripheral/c5", {}});
  EXPECT_EQ(slots_.FindPresent("/machine/peripheral/c5"), 5u);
  EXPECT_EQ(slots_.FindPresent("/machine/unattached/device[0]"), 0u);
  EXPECT_EQ(slots_.FindPresent(""), std::nullopt);
  slots_.Clear(5);
  EXPECT_EQ(slots_.FindPresent("/machine/peripheral/c5"), std::nullopt);
}

TEST_F(CpuSlotsTest, DescribesTheLastOneFirst) {
  slots_.FillAtStart(1);
  const auto rows = slots_.Describe();
  ASSERT_EQ(rows.size(), 8u);
  EXPECT_EQ(rows[0].topology.socket, 1);
  EXPECT_EQ(rows[0].topology.die, 1);
  EXPECT_EQ(rows[0].topology.core, 1);
  EXPECT_EQ(rows[0].qom_path, "");
  EXPECT_EQ(rows[6].qom_path, "/machine/unattached/device[2]");
  EXPECT_EQ(rows[7].qom_path, "/machine/unattached/device[0]");
  EXPECT_EQ(rows[7].type, "max-x86_64-cpu");
}

}  // namespace
}  // namespace davit::machine
