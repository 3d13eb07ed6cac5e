// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of monitor_spec.h: command line in, monitor out.
#include "daemon/monitor_spec.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/options/parse.h"

namespace davit::daemon {
namespace {

using Kind = qmp::MonitorSpec::Kind;

qmp::MonitorSpec Spec(std::vector<const char*> words) {
  words.push_back("-nodefaults");
  const Options options = ParseCommandLine(words).value();
  return ToMonitorSpec(options.monitors.at(0), options.chardevs.at(0).spec);
}

TEST(MonitorSpecTest, UnixSocketListensAndDoesNotWait) {
  const auto spec = Spec({"-qmp", "unix:/q,server=on,wait=off"});
  EXPECT_EQ(spec.kind, Kind::kUnix);
  EXPECT_EQ(spec.path, "/q");
  EXPECT_EQ(spec.label, "compat_monitor0");
  EXPECT_TRUE(spec.server);
  EXPECT_FALSE(spec.wait);
  EXPECT_FALSE(spec.pretty);
}

TEST(MonitorSpecTest, AbstractNamesStayAbstract) {
  EXPECT_FALSE(Spec({"-qmp", "unix:/q,server=on"}).abstract);
  const auto tight = Spec({"-qmp", "unix:q,server=on,abstract=on"});
  EXPECT_TRUE(tight.abstract && tight.tight);
  const auto loose = Spec(
      {"-chardev", "socket,id=c,path=q,abstract=on,tight=off,server=on", "-mon", "c,mode=control"});
  EXPECT_TRUE(loose.abstract && !loose.tight);
}

TEST(MonitorSpecTest, ServerWaitsUnlessToldNotTo) {
  EXPECT_TRUE(Spec({"-qmp", "unix:/q,server=on"}).wait);
}

TEST(MonitorSpecTest, ClientNeverWaits) {
  const auto spec = Spec({"-qmp-pretty", "unix:/q"});
  EXPECT_FALSE(spec.server);
  EXPECT_FALSE(spec.wait);
  EXPECT_TRUE(spec.pretty);
}

TEST(MonitorSpecTest, OneAddressFamilyLeavesTheOtherOut) {
  const auto both = Spec({"-qmp", "tcp:localhost:1,server=on"});
  EXPECT_TRUE(both.ipv4 && both.ipv6);
  const auto four = Spec({"-qmp", "tcp:localhost:1,server=on,ipv4=on"});
  EXPECT_TRUE(four.ipv4 && !four.ipv6);
  const auto not_four = Spec({"-qmp", "tcp:localhost:1,server=on,ipv4=off"});
  EXPECT_TRUE(!not_four.ipv4 && not_four.ipv6);
  EXPECT_FALSE(both.allow_remote);
  EXPECT_TRUE(Spec({"-qmp", "tcp:localhost:1,server=on,allow-remote=on"}).allow_remote);
}

TEST(MonitorSpecTest, StdioAndInheritedSockets) {
  EXPECT_EQ(Spec({"-qmp", "stdio"}).kind, Kind::kStdio);
  const auto spec =
      Spec({"-chardev", "socket,id=c,fd=5,server=on,wait=off", "-mon", "c,mode=control"});
  EXPECT_EQ(spec.kind, Kind::kFd);
  EXPECT_EQ(spec.fd, 5);
  EXPECT_EQ(spec.label, "c");
}

TEST(CommandLineOptionsTest, GroupsHaveQemusNamesAndTypedKeys) {
  const auto rows = CommandLineOptions();
  const auto find = [&](std::string_view name) {
    return std::find_if(rows.begin(), rows.end(),
                        [&](const auto& row) { return row.option == name; });
  };
  for (const char* name : {"machine", "smp-opts", "memory", "boot-opts", "chardev", "mon", "rtc",
                           "msg", "name", "overcommit", "action", "object", "accel"}) {
    EXPECT_NE(find(name), rows.end()) << name;
  }
  EXPECT_EQ(find("M"), rows.end());
  const auto& memory = find("memory")->parameters;
  EXPECT_EQ(memory[2].name, "maxmem");
  EXPECT_EQ(memory[2].type, qapi::CommandLineParameterType::kSize);
}

}  // namespace
}  // namespace davit::daemon
