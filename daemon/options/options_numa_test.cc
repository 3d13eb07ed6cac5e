// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -numa: what it becomes, and what the parser refuses in QEMU 7.2's words.
#include <gtest/gtest.h>

#include "daemon/options/test_support.h"

namespace davit::daemon {
namespace {

using control::NumaCpuOptions;
using control::NumaDistOptions;
using control::NumaNodeOptions;

TEST(NumaOptionTest, OptionsKeepTheirOrderAndTheirPlace) {
  const auto options =
      Parse({"-numa", "node,nodeid=3,cpus=0-2,cpus=5,memdev=m0", "-numa", "dist,src=0,dst=3,val=21",
             "-numa", "cpu,node-id=3,socket-id=1,die-id=0,core-id=2,thread-id=4"});
  ASSERT_TRUE(options) << options.error();
  const auto& numa = options->machine.numa;
  ASSERT_EQ(numa.size(), 3u);
  EXPECT_EQ(numa[1].where, "-numa dist,src=0,dst=3,val=21");
  const auto& node = std::get<NumaNodeOptions>(numa[0].option);
  EXPECT_EQ(node.id, 3);
  EXPECT_EQ(node.cpus, (std::vector<uint16_t>{0, 1, 2, 5}));
  EXPECT_EQ(node.memdev, "m0");
  EXPECT_FALSE(node.mem || node.has_initiator);
  const auto& dist = std::get<NumaDistOptions>(numa[1].option);
  EXPECT_EQ(std::tuple(dist.src, dist.dst, dist.val), std::tuple(0, 3, 21));
  const auto& cpu = std::get<NumaCpuOptions>(numa[2].option);
  EXPECT_EQ(std::tuple(cpu.node, cpu.socket, cpu.die, cpu.core, cpu.thread),
            std::tuple(3, 1, 0, 2, 4));
  EXPECT_FALSE(cpu.cluster);
}

TEST(NumaOptionTest, JsonSaysTheSame) {
  const auto options = Parse({"-numa", R"({"type":"node","cpus":[1,2],"memdev":"m0"})"});
  ASSERT_TRUE(options) << options.error();
  const auto& node = std::get<NumaNodeOptions>(options->machine.numa.at(0).option);
  EXPECT_FALSE(node.id);
  EXPECT_EQ(node.cpus, (std::vector<uint16_t>{1, 2}));
}

TEST(NumaOptionTest, WhatIsNoOptionIsRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"foo", "Parameter 'type' does not accept value 'foo'"},
      {"nodeid=1", "Parameter 'type' is missing"},
      {"node,blah=1", "Invalid parameter 'blah'"},
      {"node,nodeid=x", "Parameter 'nodeid' expects a uint64 value"},
      {"node,nodeid=70000", "Parameter 'nodeid' expects uint16_t"},
      {"node,cpus=5-3", "Parameter 'cpus' expects a uint64 value or range"},
      {"node,cpus=0-70000", "Parameter 'cpus' expects a uint64 value or range"},
      {"node,cpus=", "Parameter 'cpus' expects a uint64 value or range"},
      {"cpu,node-id=x", "Parameter 'node-id' expects an int64 value"},
      {"dist,src=0", "Parameter 'dst' is missing"},
      {"dist,src=0,dst=1,val=256", "Parameter 'val' expects uint8_t"},
      {R"({"type":"node","cpus":"0"})", "Invalid parameter type for 'cpus', expected: array"},
  };
  for (const auto& [argument, message] : cases) {
    EXPECT_EQ(ErrorOf({"-numa", argument}), std::string("-numa ") + argument + ": " + message);
  }
}

}  // namespace
}  // namespace davit::daemon
