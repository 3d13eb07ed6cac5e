// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// davitd in the sandbox as libvirt asks for it, with all that it does under way: devices, I/O
// threads, io_uring, hot-plug, the balloon. What the filter takes away: //daemon/process tests.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"

namespace davit::testing {
namespace {

using json::Object;
using json::Value;

constexpr const char* kAll =
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

// The filters of every thread: "Seccomp:" of /proc is 2.
void ExpectFiltered(pid_t pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks)) {
    const std::string status = ReadFile(task.path().string() + "/status");
    // A worker may end meanwhile.
    if (status.empty()) continue;
    EXPECT_CONTAINS(status, "Seccomp:\t2") << task.path();
  }
}

TEST_F(VmTest, EverythingWorksInTheSandbox) {
  TempDir dir;
  const std::string image = dir.File("disk");
  std::ofstream(image).close();
  std::filesystem::resize_file(image, 1 << 20);
  const std::string uring = ",aio=native,cache.direct=on,discard=unmap";
  auto vm = StartReady({"-sandbox",  kAll,
                        "-machine",  "q35",
                        "-smp",      "2,maxcpus=3",
                        "-object",   "iothread,id=io",
                        "-object",   "rng-random,id=r,filename=/dev/urandom",
                        "-blockdev", "file,node-name=f,filename=" + image + uring,
                        "-blockdev", "raw,node-name=d,file=f",
                        "-device",   "virtio-blk-pci,drive=d,iothread=io",
                        "-device",   "virtio-balloon-pci,id=balloon0",
                        "-device",   "virtio-rng-pci,rng=r",
                        "-netdev",   "user,id=n",
                        "-device",   "virtio-net-pci,netdev=n",
                        "-device",   "virtio-scsi-pci,iothread=io",
                        "-device",   "virtio-serial-pci,id=vs",
                        "-chardev",  "pty,id=agent",
                        "-device",   "virtserialport,chardev=agent,bus=vs.0",
                        "-device",   "pcie-root-port,id=p0,chassis=1"});
  ASSERT_NE(vm, nullptr);
  client::Client& qmp = vm->qmp();
  const std::pair<const char*, Object> commands[] = {
      {"object-add", Object{{"qom-type", "iothread"}, {"id", "io2"}}},
      {"blockdev-add", Object{{"driver", "null-co"}, {"node-name", "z"}, {"size", 1 << 20}}},
      {"device_add", Object{{"driver", "virtio-blk-pci"},
                            {"drive", "z"},
                            {"bus", "p0"},
                            {"id", "hot"},
                            {"iothread", "io2"}}},
      {"chardev-add",
       Object{{"id", "u"},
              {"backend",
               Object{{"type", "socket"},
                      {"data",
                       Object{{"addr", Object{{"type", "unix"},
                                              {"data", Object{{"path", dir.File("s")}}}}}}}}}}},
      {"balloon", Object{{"value", 100 << 20}}},
      {"netdev_add", Object{{"type", "user"}, {"id", "n2"}}},
      {"stop", Object{}},
      {"cont", Object{}},
      {"system_reset", Object{}},
  };
  for (const auto& [command, arguments] : commands) {
    const auto answer = qmp.Execute(command, arguments);
    EXPECT_TRUE(answer) << command << ": " << answer.error().message;
  }
  ASSERT_OK(vm->serial().WaitFor("ready, h for help", kReplyTime));
  ExpectFiltered(vm->process().pid());
  ExpectAlive(*vm);
  ASSERT_OK(qmp.Execute("quit"));
  const auto status = vm->process().Wait(kReplyTime);
  ASSERT_OK(status);
  EXPECT_EQ(*status, 0);
}

TEST_F(VmTest, ADaemonIsInTheSandboxToo) {
  TempDir dir;
  const RunResult result =
      Davitd({"-sandbox", kAll, "-daemonize", "-machine", "none", "-pidfile", dir.File("pid"),
              "-qmp", "unix:" + dir.File("qmp") + ",server=on,wait=off"});
  ASSERT_EQ(result.status, 0) << result.err;
  const pid_t pid = std::stoi(ReadFile(dir.File("pid")));
  const KillGuard guard(pid);
  ExpectFiltered(pid);
  auto client = client::Client::Connect("unix:" + dir.File("qmp"));
  ASSERT_OK(client);
  ASSERT_OK((*client)->Execute("quit"));
  EXPECT_TRUE(WaitGone(pid, kReplyTime));
}

TEST_F(VmTest, AProgramThatMayNotBeStartedIsToldOf) {
  const RunResult result =
      Davitd({"-sandbox", kAll, "-machine", "none", "-netdev", "tap,id=n,helper=/bin/true"});
  EXPECT_EQ(result.status, 1);
  EXPECT_CONTAINS(result.err, "/bin/true: Operation not permitted");
}

TEST_F(VmTest, MistakesInSandboxAreToldInQemusWords) {
  for (const auto& [value, text] :
       {std::pair<std::string, std::string>("on,obsolete=foo", "invalid argument for obsolete"),
        {"on,elevateprivileges=foo", "invalid argument for elevateprivileges"},
        {"on,spawn=foo", "invalid argument for spawn"},
        {"on,resourcecontrol=foo", "invalid argument for resourcecontrol"},
        {"foo", "Parameter 'enable' expects 'on' or 'off'"},
        {"on,foo=1", "Invalid parameter 'foo'"}}) {
    const RunResult result = Davitd({"-sandbox", value});
    EXPECT_EQ(result.status, 1);
    EXPECT_TRUE(result.err.starts_with("davitd: -sandbox " + value + ": " + text)) << result.err;
    ExpectQemuSays({"-machine", "none", "-sandbox", value}, text);
  }
}

}  // namespace
}  // namespace davit::testing
