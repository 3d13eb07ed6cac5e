// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// NUMA nodes of a q35 as its guest finds them: SRAT and SLIT and the item of fw_cfg, memory of
// several backends as one RAM, and CPUs and DIMMs that come into a node. Runs on QEMU, too.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "schema/runtime/json/json.h"
#include "tests/support/virtio/machine.h"

namespace davit::qtest {
namespace {

constexpr uint16_t kSelector = 0x510, kData = 0x511;
constexpr uint16_t kNuma = 0x0d, kDirectory = 0x19;
constexpr uint16_t kDimmPorts = 0xa00;
constexpr uint64_t kMib = 1 << 20;
constexpr size_t kTableHeader = 36;

using Bytes = std::vector<uint8_t>;

uint64_t Le(const uint8_t* at, unsigned size) {
  uint64_t value = 0;
  while (size-- > 0) value = value << 8 | at[size];
  return value;
}
uint64_t Be(const uint8_t* at, unsigned size) {
  uint64_t value = 0;
  for (unsigned i = 0; i < size; ++i) value = value << 8 | at[i];
  return value;
}

Bytes ReadData(Machine& m, size_t size) {
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = m.InB(kData);
  return bytes;
}

Bytes ReadItem(Machine& m, uint16_t key, size_t size) {
  m.Out(kSelector, 2, key);
  return ReadData(m, size);
}

Bytes ReadFile(Machine& m, const std::string& name) {
  const Bytes count = ReadItem(m, kDirectory, 4);
  for (uint64_t i = 0; i < Be(count.data(), 4); ++i) {
    const Bytes entry = ReadData(m, 64);
    if (reinterpret_cast<const char*>(&entry[8]) == name) {
      return ReadItem(m, static_cast<uint16_t>(Be(&entry[4], 2)), Be(entry.data(), 4));
    }
  }
  return {};
}

// What follows the header of the table, in hex; "" when there is none.
std::string Table(const Bytes& tables, const std::string& signature) {
  const auto at = std::search(tables.begin(), tables.end(), signature.begin(), signature.end());
  if (at == tables.end()) return "";
  std::string text;
  const auto end = at + static_cast<ptrdiff_t>(Le(&*at + 4, 4));
  for (auto byte = at + kTableHeader; byte != end; ++byte) {
    constexpr char kDigits[] = "0123456789abcdef";
    text += kDigits[*byte >> 4];
    text += kDigits[*byte & 15];
  }
  return text;
}

std::vector<std::string> TwoNodes(const std::vector<std::string>& more = {}) {
  std::vector<std::string> args = {"-M",      "q35",
                                   "-cpu",    "max",
                                   "-m",      "128M,slots=2,maxmem=1G",
                                   "-smp",    "2,maxcpus=3",
                                   "-object", "memory-backend-ram,id=m0,size=64M",
                                   "-object", "memory-backend-ram,id=m1,size=64M",
                                   "-numa",   "node,nodeid=0,cpus=0,memdev=m0",
                                   "-numa",   "node,nodeid=1,cpus=1-2,memdev=m1",
                                   "-numa",   "dist,src=0,dst=1,val=30"};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(NumaQtest, TablesAreThoseOfQemu) {
  Machine m(TwoNodes());
  const Bytes tables = ReadFile(m, "etc/acpi/tables");
  EXPECT_EQ(Table(tables, "SRAT"),
            "010000000000000000000000"
            "00100000010000000000000000000000"
            "00100101010000000000000000000000"
            "00100102010000000000000000000000"
            "0128000000000000000000000000000000000a000000000000000000010000000000000000000000"
            "012800000000000000001000000000000000f0030000000000000000010000000000000000000000"
            "01280100000000000000000400000000000000040000000000000000010000000000000000000000"
            "01280000000000000000000000000000000000000000000000000000000000000000000000000000"
            "01280100000000000000000001000000000000b80000000000000000030000000000000000000000");
  EXPECT_EQ(Table(tables, "SLIT"), "02000000000000000a1e1e0a");
  const Bytes item = ReadItem(m, kNuma, 6 * 8);
  const uint64_t expected[] = {2, 0, 1, 1, 64 * kMib, 64 * kMib};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(Le(&item[8 * i], 8), expected[i]) << i;
}

TEST(NumaQtest, AMachineThatCanBeGivenMemoryHasANode) {
  Machine m({"-M", "q35", "-m", "128M,slots=1,maxmem=1G"});
  const Bytes tables = ReadFile(m, "etc/acpi/tables");
  EXPECT_EQ(Table(tables, "SRAT"),
            "010000000000000000000000"
            "00100000010000000000000000000000"
            "0128000000000000000000000000000000000a000000000000000000010000000000000000000000"
            "012800000000000000001000000000000000f0070000000000000000010000000000000000000000"
            "01280000000000000000000000000000000000000000000000000000000000000000000000000000"
            "01280000000000000000000001000000000000780000000000000000030000000000000000000000");
  EXPECT_EQ(Table(tables, "SLIT"), "");
  EXPECT_EQ(json::Write((*m.Qmp("query-cpus-fast").AsArray())[0]["props"]["node-id"]), "0");
}

TEST(NumaQtest, WithoutNodesThereIsNoTable) {
  Machine m({"-M", "q35", "-m", "128M"});
  const Bytes tables = ReadFile(m, "etc/acpi/tables");
  EXPECT_EQ(Table(tables, "SRAT"), "");
  EXPECT_EQ(Le(ReadItem(m, kNuma, 8).data(), 8), 0U);
}

TEST(NumaQtest, MemoryOfTheNodesIsOneRam) {
  Machine m(TwoNodes());
  const uint64_t border = 64 * kMib;
  m.Write(border - 4, 8, 0x1122334455667788);
  EXPECT_EQ(m.Read(border - 4, 8), 0x1122334455667788U);
  EXPECT_EQ(m.Read(border, 4), 0x11223344U);
  m.Write(128 * kMib - 8, 8, 5);
  EXPECT_EQ(m.Read(128 * kMib - 8, 8), 5U);
}

TEST(NumaQtest, MemoryAndCpusComeIntoANode) {
  Machine m(TwoNodes({"-object", "memory-backend-ram,id=d0,size=64M", "-object",
                      "memory-backend-ram,id=d1,size=64M", "-device",
                      "pc-dimm,id=dimm0,memdev=d0,node=1"}));
  m.Out(kDimmPorts, 4, 0);
  EXPECT_EQ(m.In(kDimmPorts + 0x10, 4), 1U) << "its proximity domain";
  const auto add = [&m](json::Object arguments) {
    const auto done = m.qmp().Execute("device_add", std::move(arguments));
    return done ? std::string("ok") : done.error().message;
  };
  json::Object dimm = {{"driver", "pc-dimm"}, {"id", "dimm1"}, {"memdev", "d1"}, {"node", "2"}};
  EXPECT_EQ(add(dimm),
            "'DIMM property node has value 2' which exceeds the number of numa nodes: 2");
  json::Object cpu = {{"driver", "max-x86_64-cpu"}, {"id", "c2"},
                      {"socket-id", int64_t{0}},    {"core-id", int64_t{2}},
                      {"thread-id", int64_t{0}},    {"node-id", int64_t{0}}};
  EXPECT_EQ(add(cpu), "invalid node-id, must be 1");
  cpu.Set("node-id", int64_t{1});
  EXPECT_EQ(add(cpu), "ok");
  EXPECT_EQ(json::Write(m.Qmp("qom-get", {{"path", "c2"}, {"property", "node-id"}})), "1");
  EXPECT_EQ(*m.Qmp("human-monitor-command", {{"command-line", "info numa"}}).AsString(),
            "2 nodes\r\nnode 0 cpus: 0\r\nnode 0 size: 64 MB\r\nnode 0 plugged: 0 MB\r\n"
            "node 1 cpus: 1 2\r\nnode 1 size: 128 MB\r\nnode 1 plugged: 64 MB\r\n");
}

TEST(NumaQtest, NodesAreMadeBeforeTheMachine) {
  Machine m({"-M", "q35", "-cpu", "max", "-m", "128M", "-smp", "2", "--preconfig", "-object",
             "memory-backend-ram,id=m0,size=64M", "-object", "memory-backend-ram,id=m1,size=64M"});
  const auto set = [&m](json::Object arguments) {
    const auto done = m.qmp().Execute("set-numa-node", std::move(arguments));
    return done ? std::string("ok") : done.error().message;
  };
  EXPECT_EQ(set({{"type", "node"}, {"memdev", "m0"}}), "ok");
  EXPECT_EQ(set({{"type", "node"}, {"nodeid", int64_t{0}}}), "Duplicate NUMA nodeid: 0");
  EXPECT_EQ(set({{"type", "node"}, {"memdev", "m1"}, {"cpus", json::Array{int64_t{0}}}}), "ok");
  EXPECT_EQ(set({{"type", "cpu"}, {"node-id", int64_t{0}}, {"core-id", int64_t{0}}}),
            "CPU is already assigned to node-id: 1");
  EXPECT_EQ(set({{"type", "cpu"}, {"node-id", int64_t{1}}, {"core-id", int64_t{1}}}), "ok");
  EXPECT_EQ(json::Write((*m.Qmp("query-hotpluggable-cpus").AsArray())[0]["props"]["node-id"]), "1");
  m.Qmp("x-exit-preconfig");
  EXPECT_EQ(set({{"type", "node"}}),
            "The command is permitted only before the machine has been created");
  EXPECT_EQ(*m.Qmp("human-monitor-command", {{"command-line", "info numa"}}).AsString(),
            "2 nodes\r\nnode 0 cpus:\r\nnode 0 size: 64 MB\r\nnode 0 plugged: 0 MB\r\n"
            "node 1 cpus: 0 1\r\nnode 1 size: 64 MB\r\nnode 1 plugged: 0 MB\r\n");
}

// Deleted, and its id given to another: RAM is what the nodes were given.
TEST(NumaQtest, ANodeKeepsItsMemory) {
  Machine m({"-M", "q35", "-cpu", "max", "-m", "128M", "--preconfig", "-object",
             "memory-backend-ram,id=m0,size=64M", "-object", "memory-backend-ram,id=m1,size=64M"});
  m.Qmp("set-numa-node", {{"type", "node"}, {"memdev", "m0"}});
  m.Qmp("set-numa-node", {{"type", "node"}, {"memdev", "/objects/m1"}});
  m.Qmp("object-del", {{"id", "m0"}});
  m.Qmp("object-del", {{"id", "m1"}});
  m.Qmp("object-add",
        {{"qom-type", "memory-backend-ram"}, {"id", "m0"}, {"size", int64_t{256 * kMib}}});
  m.Qmp("x-exit-preconfig");
  EXPECT_EQ(json::Write(m.Qmp("query-memory-size-summary")["base-memory"]),
            std::to_string(128 * kMib));
  m.Write(64 * kMib - 4, 8, 0x1122334455667788);
  EXPECT_EQ(m.Read(64 * kMib - 4, 8), 0x1122334455667788U);
  EXPECT_EQ(Le(&ReadItem(m, kNuma, 4 * 8)[16], 8), 64 * kMib);
  m.Qmp("object-del", {{"id", "m0"}});
}

TEST(NumaQtest, AMachineThatCouldNotBeMadeIsMadeFromWhatComesThen) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU ends";
  Machine m({"-M", "q35", "-cpu", "max", "-m", "128M", "-smp", "2", "--preconfig", "-object",
             "memory-backend-ram,id=m0,size=64M", "-object", "memory-backend-ram,id=m1,size=64M"});
  const auto set = [&m](const char* memdev, int64_t cpu) {
    m.Qmp("set-numa-node", {{"type", "node"}, {"memdev", memdev}, {"cpus", json::Array{cpu}}});
  };
  set("m0", 0);
  const auto exit = m.qmp().Execute("x-exit-preconfig");
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error().message,
            "total memory for NUMA nodes (0x4000000) should equal RAM size (0x8000000)");
  set("m1", 1);
  m.Qmp("x-exit-preconfig");
  EXPECT_EQ(json::Write((*m.Qmp("query-cpus-fast").AsArray())[1]["props"]["node-id"]), "1");
}

TEST(NumaQtest, MicrovmTakesNodesThatItsGuestIsNotToldOf) {
  Machine m({"-M", "microvm", "-m", "128M", "-smp", "2", "-object",
             "memory-backend-ram,id=m0,size=64M", "-object", "memory-backend-ram,id=m1,size=64M",
             "-numa", "node,memdev=m0,cpus=0", "-numa", "node,memdev=m1,cpus=1"});
  EXPECT_EQ(json::Write((*m.Qmp("query-cpus-fast").AsArray())[1]["props"]["node-id"]), "1");
  m.Write(64 * kMib - 4, 8, 0x1122334455667788);
  EXPECT_EQ(m.Read(64 * kMib - 4, 8), 0x1122334455667788U);
}

}  // namespace
}  // namespace davit::qtest
