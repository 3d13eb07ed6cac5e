// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// vCPU threads as the host sees them: as many as can be, their names, what -overcommit does to
// them. On this host's /dev/kvm alone: in the nested lab 255 vCPUs would be 255 threads of a host
// of two CPUs that are emulated themselves, which takes minutes and shows nothing more.
#include <gtest/gtest.h>

#include <set>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"

namespace davit::testing {
namespace {

using json::Value;

class VcpusTest : public VmTest {
 protected:
  // Thread ids by query-cpus-fast, in the order of the vCPUs.
  static std::vector<pid_t> ThreadIds(Vm& vm) {
    std::vector<pid_t> ids;
    auto rows = vm.qmp().Execute("query-cpus-fast");
    EXPECT_TRUE(rows) << rows.error();
    if (!rows) return ids;
    for (const Value& row : *rows->AsArray()) {
      EXPECT_EQ(row["cpu-index"], Value(static_cast<int64_t>(ids.size())));
      const int64_t* id = row["thread-id"].AsInt();
      ids.push_back(id == nullptr ? -1 : static_cast<pid_t>(*id));
    }
    return ids;
  }

  static std::string Ask(Vm& vm, std::string_view key, std::string_view prefix) {
    EXPECT_TRUE(vm.serial().Send(key));
    auto line = vm.serial().WaitForLine(prefix, kReplyTime);
    EXPECT_TRUE(line) << line.error();
    return line ? *line : "";
  }

  static void ExpectQuit(Vm& vm) {
    ASSERT_OK(vm.qmp().Execute("quit"));
    EXPECT_EQ(vm.process().Wait(kReplyTime).value_or(-1), 0);
  }
};

TEST_F(VcpusTest, TwoHundredFiftyFiveRunStopGoOnAndEnd) {
  auto vm = StartReady({"-smp", "255", "-m", "64"});
  ASSERT_NE(vm, nullptr);
  EXPECT_CONTAINS(vm->serial().transcript(), "cpus: 255 in MADT, 255 enabled");
  EXPECT_EQ(Ask(*vm, "s", "smp: 255 "), "cpus online");

  const std::vector<pid_t> ids = ThreadIds(*vm);
  ASSERT_EQ(ids.size(), 255u);
  EXPECT_EQ(std::set<pid_t>(ids.begin(), ids.end()).size(), 255u);
  const auto names = ThreadNames(vm->process().pid());
  for (size_t i = 0; i < ids.size(); ++i) {
    ASSERT_TRUE(names.contains(ids[i])) << "thread " << ids[i] << " is not davitd's";
    EXPECT_EQ(names.at(ids[i]), "CPU " + std::to_string(i) + "/KVM");
  }

  ASSERT_OK(vm->qmp().Execute("stop"));
  EXPECT_EQ(vm->RunState(), "paused");
  ASSERT_OK(vm->serial().Send("b"));
  EXPECT_TRUE(vm->serial().Quiet(milliseconds(200)));
  ASSERT_OK(vm->qmp().Execute("cont"));
  EXPECT_EQ(vm->RunState(), "running");
  EXPECT_TRUE(vm->serial().WaitFor("ready, h for help", kReplyTime));
  EXPECT_EQ(ThreadIds(*vm), ids);
  ExpectQuit(*vm);
}

TEST_F(VcpusTest, TwoHundredFiftyFivePausedFromTheStartAreResetAndRunLater) {
  auto vm = Vm::Start({.args = {"-S", "-smp", "255", "-m", "64"}});
  ASSERT_OK(vm);
  EXPECT_EQ(ThreadIds(**vm).size(), 255u);
  ASSERT_OK((*vm)->qmp().Execute("system_reset"));
  EXPECT_EQ((*vm)->RunState(), "prelaunch");
  ASSERT_OK((*vm)->qmp().Execute("cont"));
  EXPECT_TRUE((*vm)->serial().WaitFor("ready, h for help", kReplyTime));
  EXPECT_EQ(Ask(**vm, "s", "smp: 255 "), "cpus online");
  ExpectQuit(**vm);
}

TEST_F(VcpusTest, TwoHundredFiftySixAreRefusedInQemusWords) {
  const RunResult result = Davitd({"-smp", "256"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err,
            "davitd: Invalid SMP CPUs 256. The max CPUs supported by machine 'microvm' is 255\n");
  // QEMU's microvm has more.
  ExpectQemuSays({"-machine", "microvm", "-smp", "289"},
                 "Invalid SMP CPUs 289. The max CPUs supported by machine 'microvm' is 288");
}

TEST_F(VcpusTest, ThreadsKeepTheProcessNameWithoutDebugThreads) {
  for (const auto& [name, expected] :
       {std::pair<std::string, std::string>("guest=x,debug-threads=off", "davitd"),
        {"guest=x,debug-threads=off,process=renamed", "renamed"}}) {
    auto vm = StartReady({"-smp", "2", "-name", name});
    ASSERT_NE(vm, nullptr);
    const auto names = ThreadNames(vm->process().pid());
    const std::vector<pid_t> ids = ThreadIds(*vm);
    ASSERT_EQ(ids.size(), 2u);
    EXPECT_NE(ids[0], ids[1]);
    for (pid_t id : ids) {
      ASSERT_TRUE(names.contains(id));
      EXPECT_EQ(names.at(id), expected);
    }
    for (const auto& [id, thread] : names) EXPECT_FALSE(thread.starts_with("CPU")) << thread;
    auto guest = vm->qmp().Execute("query-name");
    ASSERT_OK(guest);
    EXPECT_EQ((*guest)["name"], Value("x"));
  }
}

TEST_F(VcpusTest, GuestMayIdleTheHostsCpuOnlyWithCpuPm) {
  for (const auto& [overcommit, expected] :
       {std::pair<std::string, std::string>("cpu-pm=on", "yes"), {"cpu-pm=off", "no"}}) {
    auto vm = Vm::Start({.args = {"-overcommit", overcommit}});
    if (!vm && Contains(vm.error().message, "guest stopping CPU not supported")) {
      GTEST_SKIP() << "this host's KVM lets no guest idle the CPU";
    }
    ASSERT_OK(vm);
    EXPECT_TRUE((*vm)->serial().WaitFor("ready, h for help", kReplyTime));
    EXPECT_EQ(Ask(**vm, "c", "cpus: monitor and mwait "), expected) << overcommit;
  }
}

}  // namespace
}  // namespace davit::testing
