// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What -numa means and refuses: results and words as QEMU 7.2 gives them for the same options.
#include "vmm/machine/numa.h"

#include <gtest/gtest.h>

#include <map>

#include "vmm/base/units.h"

namespace davit::machine {
namespace {

using control::NumaCpuOptions;
using control::NumaDistOptions;
using control::NumaNodeOptions;

std::shared_ptr<memory::RamBlock> Backend(const std::string& id, uint64_t size) {
  memory::RamBlockOptions options;
  options.id = id;
  options.size = size;
  return *memory::RamBlock::Create(options);
}

cpu::Topology Shape(uint64_t sockets, uint64_t dies, uint64_t cores) {
  cpu::SmpRequest request;
  request.sockets = sockets;
  request.dies = dies;
  request.cores = cores;
  request.threads = 1;
  return *cpu::Topology::Create(request, {"pc-q35-7.2", 288, true});
}

NumaNodeOptions Node(std::optional<std::string> memdev, std::vector<uint16_t> cpus = {}) {
  NumaNodeOptions node;
  node.memdev = std::move(memdev);
  node.cpus = std::move(cpus);
  return node;
}
NumaNodeOptions NodeOf(uint16_t id, std::optional<std::string> memdev = {}) {
  NumaNodeOptions node = Node(std::move(memdev));
  node.id = id;
  return node;
}
NumaCpuOptions Core(int64_t node, int64_t core) {
  NumaCpuOptions cpu;
  cpu.node = node;
  cpu.core = core;
  return cpu;
}

class NumaTest : public testing::Test {
 protected:
  static std::string Text(const Status& status) { return status ? "ok" : status.error().message; }
  std::string Add(const control::NumaOption& option) {
    return Text(numa_.Add(option, [this](const std::string& memdev) {
      const auto it = backends_.find(memdev);
      return it == backends_.end() ? nullptr : it->second;
    }));
  }
  std::string Complete(uint64_t ram = 128 * kMiB, bool implied = false) {
    return Text(numa_.Complete(ram, implied));
  }
  std::string Cpus() const {
    std::string text;
    for (uint32_t i = 0; i < 4; ++i) {
      text += numa_.NodeOf(i) ? std::to_string(*numa_.NodeOf(i)) : "-";
    }
    return text;
  }
  void AddTwo() {
    ASSERT_EQ(Add(Node("a")), "ok");
    ASSERT_EQ(Add(Node("b")), "ok");
  }

  std::map<std::string, std::shared_ptr<memory::RamBlock>> backends_ = {
      {"a", Backend("a", 64 * kMiB)},
      {"b", Backend("b", 64 * kMiB)},
      {"c", Backend("c", 128 * kMiB)}};
  Numa numa_{Shape(1, 1, 4)};
};

TEST_F(NumaTest, NodesAreCountedAndTakeTheirCpusAndMemory) {
  EXPECT_EQ(Add(Node("a", {0, 2})), "ok");
  EXPECT_EQ(Add(Node("b", {1, 3})), "ok");
  EXPECT_EQ(Complete(), "ok");
  ASSERT_EQ(numa_.nodes().size(), 2u);
  EXPECT_EQ(numa_.nodes()[1].memory->id(), "b");
  EXPECT_EQ(numa_.nodes()[1].size, 64 * kMiB);
  EXPECT_EQ(Cpus(), "0101");
  EXPECT_TRUE(numa_.has_memdevs());
  EXPECT_TRUE(numa_.Distances().empty());
}

TEST_F(NumaTest, ANodeKeepsTheBackendThatItWasGiven) {
  const std::shared_ptr<memory::RamBlock> first = backends_["a"];
  AddTwo();
  backends_["a"] = Backend("a", 128 * kMiB);
  EXPECT_EQ(Complete(), "ok");
  EXPECT_EQ(numa_.nodes()[0].memory, first);
  EXPECT_EQ(numa_.nodes()[0].size, 64 * kMiB);
}

TEST_F(NumaTest, OneBackendByTwoNamesIsOne) {
  backends_["/objects/a"] = backends_["a"];
  EXPECT_EQ(Add(Node("a")), "ok");
  EXPECT_EQ(Add(Node("/objects/a")), "ok");
  EXPECT_EQ(Complete(), "memory backend a can't be used multiple times.");
}

TEST_F(NumaTest, WithoutANodeThereIsNoneUnlessTheMachineImpliesOne) {
  EXPECT_EQ(Complete(), "ok");
  EXPECT_TRUE(numa_.nodes().empty());
  EXPECT_EQ(Cpus(), "----");
  EXPECT_EQ(Complete(128 * kMiB, true), "ok");
  ASSERT_EQ(numa_.nodes().size(), 1u);
  EXPECT_EQ(numa_.nodes()[0].size, 128 * kMiB);
  EXPECT_FALSE(numa_.has_memdevs());
  EXPECT_EQ(Cpus(), "0000");
}

TEST_F(NumaTest, CpusThatNobodyNamesGoBySocket) {
  numa_ = Numa(Shape(4, 1, 1));
  AddTwo();
  EXPECT_EQ(Complete(), "ok");
  EXPECT_EQ(Cpus(), "0101");
}

TEST_F(NumaTest, CpusThatAreLeftOutAreInNodeZero) {
  AddTwo();
  EXPECT_EQ(Add(Core(1, 2)), "ok");
  EXPECT_EQ(Complete(), "ok");
  EXPECT_EQ(Cpus(), "0010");
}

TEST_F(NumaTest, CpusAreNamedByAnyOfTheirIds) {
  numa_ = Numa(Shape(2, 2, 1));
  AddTwo();
  NumaCpuOptions cpu;
  cpu.node = 1;
  cpu.socket = 1;
  EXPECT_EQ(Add(cpu), "ok");
  cpu = {};
  cpu.node = 0;
  cpu.socket = 0;
  cpu.die = 1;
  EXPECT_EQ(Add(cpu), "ok");
  EXPECT_EQ(Cpus(), "-011");
}

TEST_F(NumaTest, NodesThatCannotBeAreRefused) {
  EXPECT_EQ(Add(NodeOf(128)), "Max number of NUMA nodes reached: 128");
  EXPECT_EQ(Add(Node("nope")), "memdev=nope is ambiguous");
  EXPECT_EQ(Add(Node("")), "memdev= is ambiguous");
  EXPECT_EQ(Add(Node("a", {4})), "CPU index (4) should be smaller than maxcpus (4)");
  EXPECT_EQ(Add(NodeOf(1, "a")), "ok");
  EXPECT_EQ(Add(NodeOf(1)), "Duplicate NUMA nodeid: 1");
  EXPECT_EQ(Add(Node({})), "Duplicate NUMA nodeid: 1") << "the count is the next number";
  EXPECT_EQ(Complete(), "numa: Node ID missing: 0");
}

TEST_F(NumaTest, MemoryIsThatOfTheMachineAndInBackendsAlone) {
  NumaNodeOptions mem = Node({});
  mem.mem = 64 * kMiB;
  EXPECT_EQ(Add(mem), "Parameter -numa node,mem is not supported by this machine type");
  EXPECT_EQ(Add(Node("a")), "ok");
  EXPECT_EQ(Add(mem),
            "numa configuration should use either mem= or memdev=,mixing both is not allowed");
  EXPECT_EQ(Complete(),
            "total memory for NUMA nodes (0x4000000) should equal RAM size (0x8000000)");
  EXPECT_EQ(Add(Node("a")), "ok");
  EXPECT_EQ(Complete(), "memory backend a can't be used multiple times.");
}

TEST_F(NumaTest, CpusThatCannotBeAreRefused) {
  AddTwo();
  EXPECT_EQ(Add(NumaCpuOptions{}), "Missing mandatory node-id property");
  EXPECT_EQ(Add(Core(2, 0)),
            "Invalid node-id=2, NUMA node must be defined with -numa node,nodeid=ID before it's "
            "used with -numa cpu,node-id=ID");
  EXPECT_EQ(Add(Core(0, 4)), "no match found");
  NumaCpuOptions cpu = Core(0, 0);
  cpu.die = 0;
  EXPECT_EQ(Add(cpu), "die-id is not supported");
  cpu = Core(0, 0);
  cpu.cluster = 0;
  EXPECT_EQ(Add(cpu), "cluster-id is not supported");
}

TEST_F(NumaTest, ACpuIsInOneNodeAndARefusalChangesNothing) {
  AddTwo();
  EXPECT_EQ(Add(Core(1, 3)), "ok");
  EXPECT_EQ(Add(Core(1, 3)), "ok") << "twice the same";
  NumaCpuOptions all;
  all.node = 0;
  EXPECT_EQ(Add(all), "CPU is already assigned to node-id: 1");
  EXPECT_EQ(Cpus(), "---1");
  EXPECT_EQ(Add(Node("", {0, 3})), "CPU is already assigned to node-id: 1");
  EXPECT_EQ(Cpus(), "---1");
  EXPECT_EQ(numa_.nodes().size(), 2u);
}

TEST_F(NumaTest, OneDistanceStandsForBothDirections) {
  AddTwo();
  EXPECT_EQ(Add(NumaDistOptions{0, 1, 30}), "ok");
  EXPECT_EQ(Complete(), "ok");
  EXPECT_EQ(numa_.Distances(), (std::vector<uint8_t>{10, 30, 30, 10}));
}

TEST_F(NumaTest, AsymmetricalDistancesAreGivenAllOfThem) {
  AddTwo();
  EXPECT_EQ(Add(Node("c")), "ok");
  EXPECT_EQ(Add(NumaDistOptions{0, 1, 30}), "ok");
  EXPECT_EQ(Complete(256 * kMiB),
            "The distance between node 0 and 2 is missing, at least one distance value between "
            "each nodes should be provided.");
  EXPECT_EQ(Add(NumaDistOptions{1, 0, 31}), "ok");
  EXPECT_EQ(Add(NumaDistOptions{0, 2, 32}), "ok");
  EXPECT_EQ(Add(NumaDistOptions{1, 2, 33}), "ok");
  Numa some = numa_;
  EXPECT_EQ(Text(some.Complete(256 * kMiB, false)),
            "At least one asymmetrical pair of distances is given, please provide distances for "
            "both directions of all node pairs.");
  EXPECT_EQ(Add(NumaDistOptions{2, 0, 34}), "ok");
  EXPECT_EQ(Add(NumaDistOptions{2, 1, 35}), "ok");
  EXPECT_EQ(Complete(256 * kMiB), "ok");
  EXPECT_EQ(numa_.Distances(), (std::vector<uint8_t>{10, 30, 32, 31, 10, 33, 34, 35, 10}));
}

TEST_F(NumaTest, DistancesThatCannotBeAreRefused) {
  AddTwo();
  EXPECT_EQ(Add(NumaDistOptions{200, 0, 20}),
            "Parameter 'src' expects an integer between 0 and 127");
  EXPECT_EQ(Add(NumaDistOptions{0, 128, 20}),
            "Parameter 'dst' expects an integer between 0 and 127");
  EXPECT_EQ(Add(NumaDistOptions{0, 2, 20}),
            "Source/Destination NUMA node is missing. Please use '-numa node' option to declare "
            "it first.");
  EXPECT_EQ(Add(NumaDistOptions{0, 1, 9}),
            "NUMA distance (9) is invalid, it shouldn't be less than 10.");
  EXPECT_EQ(Add(NumaDistOptions{1, 1, 11}), "Local distance of node 1 should be 10.");
}

TEST_F(NumaTest, MemoryAttributesNeedATableThatIsNotThere) {
  const std::string off =
      "ACPI Heterogeneous Memory Attribute Table (HMAT) is disabled, enable it with -machine "
      "hmat=on before using any of hmat specific options";
  EXPECT_EQ(Add(control::NumaHmatOptions{}), off);
  NumaNodeOptions node = Node("a");
  node.has_initiator = true;
  EXPECT_EQ(Add(node), off);
}

}  // namespace
}  // namespace davit::machine
