// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// davitd in the sandbox as libvirt asks for it, with all that it does under way: devices, I/O
// threads, io_uring, back ends of each kind, the balloon, queries. What the filter takes away:
// //daemon/process tests; hot-plug of each kind of device: //tests/guest (ProbeGuestRandomHotplug).
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "schema/runtime/json/json.h"
#include "tests/integration/common.h"
#include "tests/integration/host_view.h"
#include "tests/support/sandbox.h"

namespace davit::testing {
namespace {

using json::Value;

// Of chardev-add; @: the test's folder.
constexpr const char* kChardevs[] = {
    R"({"type":"pty","data":{}})",
    R"({"type":"file","data":{"out":"@/file"}})",
    R"({"type":"ringbuf","data":{}})",
    R"({"type":"socket","data":{"addr":{"type":"unix","data":{"path":"@/s"}},"wait":false}})",
    R"({"type":"socket","data":{"addr":{"type":"inet","data":{"host":"localhost","port":"0"}},)"
    R"("wait":false}})",
    R"({"type":"udp","data":{"remote":{"type":"inet","data":{"host":"127.0.0.1","port":"9"}}}})",
};

constexpr const char* kNetdevs[] = {
    R"("type":"user")",
    R"("type":"user","hostfwd":[{"str":"tcp:127.0.0.1:0-:22"}])",
    R"("type":"socket","listen":"127.0.0.1:0")",
    R"("type":"dgram","local":{"type":"inet","host":"127.0.0.1","port":"0"},)"
    R"("remote":{"type":"inet","host":"127.0.0.1","port":"9"})",
};

constexpr const char* kObjects[] = {
    R"("qom-type":"memory-backend-file","mem-path":"@/memory","size":8388608,"share":true,)"
    R"("prealloc":true,"prealloc-threads":2)",
    R"("qom-type":"memory-backend-memfd","size":8388608,"seal":true)",
    R"("qom-type":"memory-backend-ram","size":8388608,"policy":"bind","host-nodes":[0])",
    R"("qom-type":"throttle-group")",
    R"("qom-type":"secret","data":"word")",
    R"("qom-type":"rng-builtin")",
    R"("qom-type":"iothread")",
};

// In this order.
constexpr std::pair<const char*, const char*> kCommands[] = {
    {"object-add", R"({"qom-type":"iothread","id":"io2"})"},
    {"blockdev-add", R"({"driver":"null-co","node-name":"z","size":1048576})"},
    {"device_add", R"({"driver":"virtio-blk-pci","drive":"z","bus":"p0","id":"hot",)"
                   R"("iothread":"io2"})"},
    {"block_resize", R"({"node-name":"d","size":2097152})"},
    {"block_set_io_throttle", R"({"id":"/machine/peripheral/disk/virtio-backend","bps":1000000,)"
                              R"("bps_rd":0,"bps_wr":0,"iops":0,"iops_rd":0,"iops_wr":0})"},
    {"set_link", R"({"name":"n","up":false})"},
    {"announce-self", R"({"initial":50,"max":550,"rounds":1,"step":50})"},
    {"balloon", R"({"value":104857600})"},
    {"system_powerdown", "{}"},
    {"stop", "{}"},
    {"cont", "{}"},
    {"system_reset", "{}"},
};

TEST_F(VmTest, EverythingWorksInTheSandbox) {
  TempDir dir;
  const std::string image = dir.File("disk");
  std::ofstream(image).close();
  std::filesystem::resize_file(image, 1 << 20);
  const std::string uring = ",aio=native,cache.direct=on,discard=unmap";
  auto vm = StartReady({"-sandbox",  kLibvirtSandbox,
                        "-machine",  "q35",
                        "-smp",      "2,maxcpus=3",
                        "-object",   "iothread,id=io",
                        "-object",   "rng-random,id=r,filename=/dev/urandom",
                        "-blockdev", "file,node-name=f,filename=" + image + uring,
                        "-blockdev", "raw,node-name=d,file=f",
                        "-device",   "virtio-blk-pci,id=disk,drive=d,iothread=io",
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
  const auto run = [&](const std::string& command, const std::string& arguments) {
    const auto parsed = json::Parse(arguments);
    ASSERT_TRUE(parsed) << arguments;
    const auto answer = qmp.Execute(command, *parsed->AsObject());
    EXPECT_TRUE(answer) << command << " " << arguments << ": " << answer.error().message;
  };
  for (const char* backend : kChardevs) {
    std::string text = backend;
    if (const size_t at = text.find('@'); at != std::string::npos) text.replace(at, 1, dir.path());
    run("chardev-add", R"({"id":"c","backend":)" + text + "}");
    run("chardev-remove", R"({"id":"c"})");
  }
  for (const char* netdev : kNetdevs) {
    run("netdev_add", R"({"id":"n2",)" + std::string(netdev) + "}");
    run("netdev_del", R"({"id":"n2"})");
  }
  for (const char* object : kObjects) {
    std::string text = object;
    if (const size_t at = text.find('@'); at != std::string::npos) text.replace(at, 1, dir.path());
    run("object-add", R"({"id":"o",)" + text + "}");
    run("object-del", R"({"id":"o"})");
  }
  for (const auto& [command, arguments] : kCommands) run(command, arguments);
  // The host is asked for much of what these tell.
  const auto commands = qmp.Execute("query-commands");
  ASSERT_OK(commands);
  for (const Value& row : *commands->AsArray()) {
    if (row["name"].AsString()->starts_with("query-")) (void)qmp.Execute(*row["name"].AsString());
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
      Davitd({"-sandbox", kLibvirtSandbox, "-daemonize", "-machine", "none", "-pidfile",
              dir.File("pid"), "-qmp", "unix:" + dir.File("qmp") + ",server=on,wait=off"});
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
  const RunResult result = Davitd(
      {"-sandbox", kLibvirtSandbox, "-machine", "none", "-netdev", "tap,id=n,helper=/bin/true"});
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
