// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory that comes and goes under a running vCPU: the probe guest is told of a DIMM by the
// registers of the q35, uses it, and gives it up.
#include <gtest/gtest.h>

#include "tests/guest/guest_vm.h"

namespace davit::testing {
namespace {

TEST(ProbeGuestMemory, DimmsComeAndGoWhileTheGuestRuns) {
  if (std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
  if (VmmIsQemu()) GTEST_SKIP() << "davit's own: QEMU's boards are booted by firmware";
  auto vm = StartProbe({"-machine", "q35", "-m", "256M,slots=2,maxmem=2G"});
  ASSERT_NE(vm, nullptr);
  const auto execute = [&](const char* command, json::Object arguments) {
    const auto done = vm->qmp().Execute(command, std::move(arguments));
    EXPECT_TRUE(done) << command << ": " << done.error();
  };
  // What the guest does about it, and what it then sees.
  const auto look = [&](const char* event, const char* present) {
    ASSERT_OK(vm->serial().WaitForLine(event, kReplyTime));
    ASSERT_OK(vm->serial().Send("D"));
    ASSERT_OK(vm->serial().WaitForLine(present, kReplyTime));
  };
  for (int cycle = 0; cycle < 5; ++cycle) {
    execute("object-add",
            {{"qom-type", "memory-backend-ram"}, {"id", "m0"}, {"size", int64_t{64} << 20}});
    execute("device_add", {{"driver", "pc-dimm"}, {"id", "d0"}, {"memdev", "m0"}});
    look("dimm: slot 0 at 100000000 size 4000000 ok", "dimm: 1 present");
    execute("device_del", {{"id", "d0"}});
    look("dimm: slot 0 ejected", "dimm: 0 present");
    const auto deleted = vm->qmp().WaitEvent("DEVICE_DELETED", kReplyTime);
    ASSERT_TRUE(deleted) << deleted.error();
    EXPECT_EQ(deleted->data["device"], json::Value("d0"));
    execute("object-del", {{"id", "m0"}});
  }
}

}  // namespace
}  // namespace davit::testing
