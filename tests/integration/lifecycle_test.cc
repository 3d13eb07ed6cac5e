// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How davitd comes and goes: signals, the background, pid files, sockets left by others, kill -9;
// and the ways to its monitors: several at once, pretty, TCP, stdio, with descriptors.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/integration/common.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {
namespace {

using client::Client;
using json::Value;

std::string UnixServer(const std::string& path) { return "unix:" + path + ",server=on,wait=off"; }

// A file of a socket that nobody listens at any more.
void LeaveSocket(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
}

class LifecycleTest : public VmTest {
 protected:
  std::string File(const std::string& name) const { return dir_.File(name); }
  TempDir dir_;
};

TEST_F(LifecycleTest, EverySignalThatAsksForTheEnd) {
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    auto vm = Vm::Start({.args = {"-qmp", UnixServer(File("q")), "-pidfile", File("pid")}});
    ASSERT_OK(vm);
    (*vm)->process().Signal(number);
    auto event = (*vm)->qmp().WaitEvent("SHUTDOWN");
    ASSERT_OK(event);
    EXPECT_EQ(event->data["reason"], Value("host-signal"));
    EXPECT_EQ((*vm)->process().Wait(kReplyTime).value_or(-1), 0);
    EXPECT_CONTAINS((*vm)->process().Stderr(),
                    "terminating on signal " + std::to_string(number) + " from pid");
    EXPECT_FALSE(Exists(File("q")));
    EXPECT_FALSE(Exists(File("pid")));
  }
}

TEST_F(LifecycleTest, DaemonLeavesNothingOfItsCaller) {
  const RunResult started = Davitd({"-daemonize", "-qmp", UnixServer(File("q")), "-pidfile",
                                    File("pid"), "-serial", "file:" + File("serial")});
  ASSERT_EQ(started.status, 0) << started.err;
  EXPECT_EQ(started.out + started.err, "");
  const pid_t pid = std::stoi(ReadFile(File("pid")));
  const KillGuard guard(pid);
  const std::string proc = "/proc/" + std::to_string(pid);
  EXPECT_EQ(std::filesystem::read_symlink(proc + "/cwd"), "/");
  for (const char* fd : {"/fd/0", "/fd/1", "/fd/2"}) {
    EXPECT_EQ(std::filesystem::read_symlink(proc + fd), "/dev/null");
  }
  EXPECT_NE(getsid(pid), getsid(0));
  struct stat info {};
  ASSERT_EQ(stat(File("q").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto client = Client::Connect("unix:" + File("q"));
  ASSERT_OK(client);
  ASSERT_EQ(kill(pid, SIGTERM), 0);
  ASSERT_OK((*client)->WaitEvent("SHUTDOWN"));
  EXPECT_TRUE(WaitGone(pid, kReplyTime));
  EXPECT_FALSE(Exists(File("q")));
  EXPECT_FALSE(Exists(File("pid")));
}

TEST_F(LifecycleTest, PidFileIsOneVmsAlone) {
  auto vm = Vm::Start({.args = {"-S", "-pidfile", File("pid")}});
  ASSERT_OK(vm);
  const std::string before = ReadFile(File("pid"));
  const RunResult second = Davitd({"-S", "-pidfile", File("pid")});
  EXPECT_EQ(second.status, 1);
  EXPECT_CONTAINS(second.err, "cannot create PID file: Cannot lock pid file");
  EXPECT_EQ(ReadFile(File("pid")), before);
}

TEST_F(LifecycleTest, AfterKillNineTheSameCommandLineStartsAgain) {
  LeaveSocket(File("q"));
  const std::vector<std::string> args = {
      "-qmp",     UnixServer(File("q")),
      "-pidfile", File("pid"),
      "-object",  "memory-backend-file,id=m,size=64M,share=on,mem-path=" + File("ram"),
      "-machine", "memory-backend=m",
      "-m",       "64"};
  for (int i = 0; i < 3; ++i) {
    auto vm = StartReady(args);
    ASSERT_NE(vm, nullptr);
    const pid_t pid = vm->process().pid();
    EXPECT_EQ(ReadFile(File("pid")), std::to_string(pid) + "\n");
    ASSERT_OK(Client::Connect("unix:" + File("q")));
    vm->process().Signal(SIGKILL);
    EXPECT_EQ(vm->process().Wait(kReplyTime).value_or(-1), 128 + SIGKILL);
    // No process of its own is left, and no client hangs.
    EXPECT_FALSE(vm->qmp().Execute("query-status"));
    EXPECT_TRUE(Exists(File("q")));
    EXPECT_FALSE(Client::Connect("unix:" + File("q")));
  }
}

TEST_F(LifecycleTest, WhatIsNoSocketIsLeftAlone) {
  std::ofstream(File("precious")) << "data";
  const RunResult result = Davitd({"-S", "-qmp", UnixServer(File("precious"))});
  EXPECT_EQ(result.status, 1);
  EXPECT_CONTAINS(result.err, "Address already in use");
  EXPECT_EQ(ReadFile(File("precious")), "data");
}

TEST_F(LifecycleTest, SuccessorsSocketOutlivesItsPredecessor) {
  auto first = Vm::Start({.args = {"-S", "-qmp", UnixServer(File("q"))}});
  ASSERT_OK(first);
  auto second = Vm::Start({.args = {"-S", "-name", "second", "-qmp", UnixServer(File("q"))}});
  if (!second) return;  // refusing it is as good
  ASSERT_OK((*first)->qmp().Execute("quit"));
  EXPECT_EQ((*first)->process().Wait(kReplyTime).value_or(-1), 0);
  auto client = Client::Connect("unix:" + File("q"));
  ASSERT_OK(client);
  auto name = (*client)->Execute("query-name");
  ASSERT_OK(name);
  EXPECT_EQ((*name)["name"], Value("second"));
}

TEST_F(LifecycleTest, TcpOffLoopbackNeedsAWord) {
  for (const char* address : {"tcp:0.0.0.0:0", "tcp::0", "tcp:[::]:0"}) {
    const RunResult result = Davitd({"-S", "-qmp", std::string(address) + ",server=on,wait=off"});
    EXPECT_EQ(result.status, 1) << address;
    EXPECT_CONTAINS(result.err, "allow-remote=on");
  }
  auto vm = Vm::Start({.args = {"-S", "-qmp", "tcp:0.0.0.0:0,server=on,wait=off,allow-remote=on"}});
  EXPECT_TRUE(vm) << vm.error();
}

// The address of a monitor by its label, from query-chardev.
std::string MonitorAddress(Client& client, std::string_view label) {
  auto rows = client.Execute("query-chardev");
  if (!rows) return rows.error().message;
  for (const Value& row : *rows->AsArray()) {
    if (row["label"] == Value(label)) return *row["filename"].AsString();
  }
  return "";
}

TEST_F(LifecycleTest, SeveralMonitorsWithSeveralClientsEach) {
  auto vm = Vm::Start(
      {.args = {"-qmp", UnixServer(File("plain")), "-qmp-pretty", UnixServer(File("pretty")),
                "-chardev", "socket,id=tcp,host=127.0.0.1,port=0,server=on,wait=off", "-mon",
                "chardev=tcp,mode=control,pretty=on"}});
  ASSERT_OK(vm);
  std::string tcp = MonitorAddress((*vm)->qmp(), "tcp");
  ASSERT_PRED2(Contains, tcp, "tcp:127.0.0.1:");
  tcp = tcp.substr(tcp.find("tcp:"));
  tcp = tcp.substr(0, tcp.find(','));
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    auto client = Client::Connect("unix:" + File("plain"));
    ASSERT_OK(client);
    clients.push_back(std::move(*client));
  }
  ASSERT_OK(clients[0]->Execute("stop"));
  for (auto& client : clients) ASSERT_OK(client->WaitEvent("STOP"));
  ASSERT_OK((*vm)->qmp().WaitEvent("STOP"));
  // A pretty reply is several lines, of which the first is a lone brace.
  for (const std::string& address : {"unix:" + File("pretty"), tcp}) {
    auto parsed = client::ParseAddress(address);
    ASSERT_OK(parsed);
    auto socket = client::Connect(*parsed);
    ASSERT_OK(socket);
    Console stream(socket->get());
    ASSERT_OK(stream.Send("{'execute':'qmp_capabilities'}{'execute':'query-status','id':7}"));
    auto text = stream.WaitFor("\"id\": 7", kReplyTime);
    ASSERT_OK(text);
    EXPECT_CONTAINS(*text, "{\r\n    \"return\": {\r\n");
    EXPECT_CONTAINS(*text, "        \"status\": \"paused\"");
  }
}

TEST_F(LifecycleTest, MonitorOnStdio) {
  auto process = Process::Start({DavitdPath(), "-S", "-qmp", "stdio"}, File("stderr"));
  ASSERT_OK(process);
  auto client = Client::Open(UniqueFd(dup((*process)->stdio())));
  ASSERT_OK(client);
  ASSERT_OK((*client)->Negotiate());
  auto status = (*client)->Execute("query-status");
  ASSERT_OK(status);
  EXPECT_EQ((*status)["status"], Value("prelaunch"));
  ASSERT_OK((*client)->Execute("quit"));
  EXPECT_EQ((*process)->Wait(kReplyTime).value_or(-1), 0);
}

TEST_F(LifecycleTest, DescriptorsWithTheCommandOrBeforeIt) {
  // Running: descriptors of a set are kept while the VM is stopped, as in QEMU.
  auto vm = Vm::Start({});
  ASSERT_OK(vm);
  Client& qmp = (*vm)->qmp();
  const int fds[] = {STDERR_FILENO, STDERR_FILENO};
  // With the command's bytes.
  ASSERT_OK(qmp.Execute(
      client::Command{.name = "getfd", .arguments = {{"fdname", "a"}}, .fds = {STDERR_FILENO}}));
  // On a lone space.
  ASSERT_TRUE(SendWithFds(qmp.fd(), " ", {fds, fds + 1}));
  ASSERT_OK(qmp.Execute("getfd", {{"fdname", "b"}}));
  const auto none = qmp.Execute("getfd", {{"fdname", "c"}});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "No file descriptor supplied via SCM_RIGHTS");
  // Names are the session's own.
  auto other = Client::Connect((*vm)->qmp_address());
  ASSERT_OK(other);
  const auto foreign = (*other)->Execute("closefd", {{"fdname", "a"}});
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().message, "File descriptor named 'a' not found");
  ASSERT_OK(qmp.Execute("closefd", {{"fdname", "a"}}));
  ASSERT_OK(qmp.Execute("closefd", {{"fdname", "b"}}));
  // A set is everybody's.
  ASSERT_TRUE(SendWithFds(qmp.fd(), " ", {fds, fds + 1}));
  auto added = qmp.Execute("add-fd", {{"fdset-id", 5}, {"opaque", "log"}});
  ASSERT_OK(added);
  EXPECT_EQ((*added)["fdset-id"], Value(5));
  auto sets = (*other)->Execute("query-fdsets");
  ASSERT_OK(sets);
  EXPECT_EQ(sets->AsArray()->at(0)["fds"].AsArray()->at(0)["opaque"], Value("log"));
  ASSERT_OK((*other)->Execute("remove-fd", {{"fdset-id", 5}}));
  sets = qmp.Execute("query-fdsets");
  ASSERT_OK(sets);
  EXPECT_TRUE(sets->AsArray()->empty());
}

TEST_F(LifecycleTest, LogFileTellsWhatHappensWhenItHappens) {
  auto vm = Vm::Start({.args = {"-S", "-name", "guest=G", "-D", File("log"), "-d", "info", "-msg",
                                "timestamp=on,guest-name=on"}});
  ASSERT_OK(vm);
  const std::string log = ReadFile(File("log"));
  EXPECT_TRUE(log.starts_with("20")) << log;
  EXPECT_CONTAINS(log, "Z G davitd: info: ");
  EXPECT_CONTAINS(log,
                  "is set up, run state prelaunch, pid " + std::to_string((*vm)->process().pid()));
  EXPECT_CONTAINS(log, "monitor testmon: client 1 has come");
  ASSERT_OK((*vm)->qmp().Execute("quit"));
  EXPECT_EQ((*vm)->process().Wait(kReplyTime).value_or(-1), 0);
  EXPECT_CONTAINS(ReadFile(File("log")), "ends with status 0");
  EXPECT_EQ((*vm)->process().Stderr(), "");
}

// QEMU's microvm keeps its tree for itself, so no transcript can hold this.
TEST_F(LifecycleTest, DumpdtbWritesAWholeTreeOrSaysWhyNot) {
  auto vm = Vm::Start({.args = {"-S"}});
  ASSERT_OK(vm);
  const auto dump = [&](const std::string& path) {
    return (*vm)->qmp().Execute("dumpdtb", {{"filename", path}});
  };
  ASSERT_OK(dump(File("tree")));
  const std::string tree = ReadFile(File("tree"));
  EXPECT_TRUE(tree.starts_with("\xd0\x0d\xfe\xed"));
  const RunResult source = RunCommand({"dtc", "-I", "dtb", "-O", "dts", File("tree")});
  EXPECT_EQ(source.status, 0) << source.err;
  EXPECT_CONTAINS(source.out, "compatible = \"linux,microvm\"");
  // Over an old file: nothing of that is left.
  std::ofstream(File("old")) << std::string(100'000, 'x');
  ASSERT_OK(dump(File("old")));
  EXPECT_EQ(ReadFile(File("old")), tree);
  const auto refused = dump(File("none/tree"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "Error saving FDT to file " + File("none/tree") + ": No such file or directory");
  const auto text = (*vm)->qmp().Execute("human-monitor-command",
                                         {{"command-line", "dumpdtb " + File("none/tree")}});
  ASSERT_OK(text);
  EXPECT_EQ(*text, Value("Error: Error saving FDT to file " + File("none/tree") +
                         ": No such file or directory\r\n"));
}

TEST_F(LifecycleTest, PreconfigCanBeLeftOrEnded) {
  auto vm = Vm::Start({.args = {"--preconfig"}});
  ASSERT_OK(vm);
  EXPECT_FALSE((*vm)->qmp().Execute("stop"));
  ASSERT_OK((*vm)->qmp().Execute(
      "object-add", {{"qom-type", "memory-backend-ram"}, {"id", "extra"}, {"size", 4096}}));
  ASSERT_OK((*vm)->qmp().Execute("quit"));
  EXPECT_EQ((*vm)->process().Wait(kReplyTime).value_or(-1), 0);
}

}  // namespace
}  // namespace davit::testing
