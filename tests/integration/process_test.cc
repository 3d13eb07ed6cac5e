// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// davitd as a process: what it prints, how it ends, what it leaves behind. No guest code runs in
// most of these; where a VM is made, /dev/kvm is needed.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/integration/common.h"
#include "tests/support/notify_socket.h"

namespace davit::testing {
namespace {

TEST(CommandLineTest, MistakesAreOneLineOnStderrAndStatusOne) {
  const RunResult unknown = Davitd({"-foo"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_EQ(unknown.err, "davitd: -foo: unknown option\n");
  EXPECT_EQ(unknown.out, "");
  EXPECT_EQ(Davitd({"-smp", "2,foo=3"}).err,
            "davitd: -smp 2,foo=3: Parameter 'smp.foo' is unexpected\n");
}

TEST(CommandLineTest, WhatIsAskedForGoesToStdout) {
  for (const char* topic : {"-machine", "-cpu", "-object", "-chardev", "-device", "-accel", "-d",
                            "-smp", "-rtc", "-display"}) {
    const RunResult result = Davitd({topic, "help"});
    EXPECT_EQ(result.status, 0) << topic;
    EXPECT_FALSE(result.out.empty()) << topic;
    EXPECT_EQ(result.err, "") << topic;
  }
  EXPECT_NE(Davitd({"-version"}).out.find("QEMU emulator version 7.2.0"), std::string::npos);
  EXPECT_NE(Davitd({"-machine", "help"}).out.find("microvm"), std::string::npos);
  EXPECT_NE(Davitd({"-machine", "microvm,help"}).out.find("  pit=<OnOffAuto>        - "),
            std::string::npos);
  EXPECT_NE(Davitd({"-smp", "help"}).out.find("smp-opts options:\n  cpus=<num>"),
            std::string::npos);
  EXPECT_NE(Davitd({"-help"}).out.find("-qmp DEV"), std::string::npos);
}

TEST(CommandLineTest, SetUpFailuresNameTheOption) {
  EXPECT_TRUE(Davitd({"-qmp", "unix:/nonexistent/q,server=on,wait=off"})
                  .err.starts_with("davitd: -qmp unix:/nonexistent/q,server=on,wait=off: "));
  EXPECT_EQ(Davitd({"-pidfile", "/nonexistent/p"}).err,
            "davitd: -pidfile /nonexistent/p: cannot create PID file: Could not create "
            "'/nonexistent/p': No such file or directory\n");
  EXPECT_TRUE(Davitd({"-D", "/nonexistent/log"}).err.starts_with("davitd: -D /nonexistent/log: "));
}

// davitd that waits for somebody before its event loop runs, with a pid file and a monitor that
// listens. A signal ends it as signals do, and what it has made is gone.
class StartUpTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_FALSE(Exists(dir_.File("p"))); }

  // A socket that listens; its backlog has room for one.
  UniqueFd Listen(const std::string& name) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = Address(name);
    EXPECT_EQ(bind(fd.get(), Generic(address), sizeof address), 0);
    EXPECT_EQ(listen(fd.get(), 0), 0);
    return fd;
  }

  UniqueFd Connect(const std::string& name) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = Address(name);
    EXPECT_EQ(connect(fd.get(), Generic(address), sizeof address), 0);
    return fd;
  }

  std::unique_ptr<Process> Start(const std::vector<std::string>& waits) {
    std::vector<std::string> args{DavitdPath(), "-pidfile", dir_.File("p"), "-qmp",
                                  "unix:" + dir_.File("q") + ",server=on,wait=off"};
    args.insert(args.end(), waits.begin(), waits.end());
    auto process = Process::Start(args, dir_.File("stderr"));
    EXPECT_OK(process);
    return std::move(*process);
  }

  // Its monitors are opened first, this one after the one that listens: now it waits, or will.
  std::unique_ptr<Process> StartAndMeet(std::vector<std::string> waits) {
    const UniqueFd listener = Listen("ours");
    waits.insert(waits.begin(), {"-qmp", "unix:" + dir_.File("ours")});
    auto process = Start(waits);
    pollfd polled{listener.get(), POLLIN, 0};
    EXPECT_EQ(poll(&polled, 1, static_cast<int>(kReplyTime.count())), 1) << process->Stderr();
    if (polled.revents == 0) return process;
    client_.reset(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(client_);
    return process;
  }

  void ExpectEnd(Process& process, int signal, const std::string& error) {
    EXPECT_TRUE(Exists(dir_.File("p")));
    EXPECT_TRUE(Exists(dir_.File("q")));
    process.Signal(signal);
    EXPECT_EQ(process.Wait(kReplyTime).value_or(-1), 128 + signal);
    EXPECT_CONTAINS(process.Stderr(), error + ": Interrupted system call\n");
    EXPECT_FALSE(Exists(dir_.File("p")));
    EXPECT_FALSE(Exists(dir_.File("q")));
  }

  const TempDir dir_;

 private:
  sockaddr_un Address(const std::string& name) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    dir_.File(name).copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
  }
  static const sockaddr* Generic(const sockaddr_un& address) {
    return static_cast<const sockaddr*>(static_cast<const void*>(&address));
  }

  UniqueFd client_;
};

TEST_F(StartUpTest, SignalEndsAConnectOfACharacterDevice) {
  const UniqueFd listener = Listen("full");
  const UniqueFd first = Connect("full");
  auto process = StartAndMeet({"-chardev", "socket,id=c,path=" + dir_.File("full")});
  ExpectEnd(*process, SIGTERM, "Failed to connect to '" + dir_.File("full") + "'");
}

TEST_F(StartUpTest, SignalEndsAConnectOfAMonitor) {
  const UniqueFd listener = Listen("full");
  const UniqueFd first = Connect("full");
  auto process = StartAndMeet({"-qmp", "unix:" + dir_.File("full")});
  ExpectEnd(*process, SIGINT, "Failed to connect to '" + dir_.File("full") + "'");
}

TEST_F(StartUpTest, SignalEndsTheWaitForAClient) {
  const std::string socket = dir_.File("s");
  auto process = StartAndMeet({"-chardev", "socket,id=c,server=on,path=" + socket});
  ExpectEnd(*process, SIGHUP, "waiting for a connection of chardev 'c'");
  EXPECT_FALSE(Exists(socket));
}

TEST_F(StartUpTest, SignalEndsTheWaitForAClientOfAMonitor) {
  const std::string socket = dir_.File("s");
  auto process = StartAndMeet({"-qmp", "unix:" + socket + ",server=on"});
  ExpectEnd(*process, SIGTERM, "waiting for connection on unix:" + socket + ",server=on");
  EXPECT_FALSE(Exists(socket));
}

// It says its process id, and waits for a writer that never comes.
TEST_F(StartUpTest, SignalEndsABridgeHelper) {
  const std::string said = dir_.File("said");
  const std::string helper = dir_.File("helper");
  ASSERT_EQ(mkfifo(dir_.File("fifo").c_str(), 0600), 0);
  std::ofstream(said).flush();
  std::ofstream(helper) << "#!/bin/sh\necho $$ . >" << said << "\nread line <" << dir_.File("fifo")
                        << "\n";
  ASSERT_EQ(chmod(helper.c_str(), 0700), 0);
  auto process = Start({"-netdev", "tap,id=n,helper=" + helper});
  ASSERT_TRUE(WaitForText(said, " .\n"));
  const pid_t pid = std::stoi(ReadFile(said));
  const KillGuard guard(pid);
  ExpectEnd(*process, SIGTERM, "bridge helper has not ended");
  EXPECT_TRUE(WaitGone(pid, kReplyTime));
}

class VmProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(VmProcessTest, ProbeGuestSpeaksOnTheSerialPortAndQuitEndsTheProcess) {
  auto vm = Vm::Start({});
  ASSERT_TRUE(vm) << vm.error();
  EXPECT_EQ((*vm)->RunState(), "running");
  EXPECT_TRUE((*vm)->serial().WaitFor("probe", kReplyTime));
  ASSERT_TRUE((*vm)->qmp().Execute("quit"));
  const auto event = (*vm)->qmp().WaitEvent("SHUTDOWN");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["reason"], json::Value("host-qmp-quit"));
  EXPECT_EQ((*vm)->process().Wait(kReplyTime).value_or(-1), 0);
  EXPECT_EQ((*vm)->process().Stderr(), "");
}

// A unit of Type=notify counts as started when QMP answers.
TEST_F(VmProcessTest, ServiceManagerIsToldWhenQmpAnswersAndOfTheEnd) {
  TempDir dir;
  NotifySocket manager(dir.File("notify"));
  auto vm = Vm::Start({.args = {"-S"}});
  ASSERT_TRUE(vm) << vm.error();
  EXPECT_EQ(manager.Next(), "READY=1");
  ASSERT_TRUE((*vm)->qmp().Execute("quit"));
  EXPECT_EQ((*vm)->process().Wait(kReplyTime).value_or(-1), 0);
  EXPECT_EQ(manager.Next(), "STOPPING=1");
}

TEST_F(VmProcessTest, SignalEndsTheVmInGoodOrder) {
  TempDir dir;
  const std::string qmp = dir.File("q");
  const std::string pidfile = dir.File("pid");
  auto vm = Vm::Start(
      {.args = {"-S", "-qmp", "unix:" + qmp + ",server=on,wait=off", "-pidfile", pidfile}});
  ASSERT_TRUE(vm) << vm.error();
  // The monitor that Vm uses has answered, so the other one listens too.
  auto client = client::Client::Connect("unix:" + qmp);
  ASSERT_TRUE(client) << client.error();
  Process& process = (*vm)->process();
  EXPECT_EQ(ReadFile(pidfile), std::to_string(process.pid()) + "\n");
  struct stat info {};
  ASSERT_EQ(stat(qmp.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  process.Signal(SIGTERM);
  const auto event = (*client)->WaitEvent("SHUTDOWN");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["reason"], json::Value("host-signal"));
  EXPECT_EQ(process.Wait(kReplyTime).value_or(-1), 0);
  EXPECT_NE(process.Stderr().find("terminating on signal 15 from pid"), std::string::npos);
  EXPECT_FALSE(Exists(qmp));
  EXPECT_FALSE(Exists(pidfile));
}

TEST_F(VmProcessTest, DaemonIsReadyWhenItsParentEnds) {
  TempDir dir;
  const std::string qmp = dir.File("q");
  const std::string pidfile = dir.File("pid");
  const RunResult started = Davitd(
      {"-S", "-daemonize", "-qmp", "unix:" + qmp + ",server=on,wait=off", "-pidfile", pidfile});
  ASSERT_EQ(started.status, 0) << started.err;
  const pid_t pid = std::stoi(ReadFile(pidfile));
  const KillGuard guard(pid);
  auto client = client::Client::Connect("unix:" + qmp);
  ASSERT_TRUE(client) << client.error();
  EXPECT_TRUE((*client)->Execute("query-status"));
  EXPECT_EQ(getsid(pid) == getsid(0), false);
  ASSERT_TRUE((*client)->Execute("quit"));
  EXPECT_TRUE((*client)->WaitEvent("SHUTDOWN"));
  // End of file comes when the process has closed the socket, its last act but one.
  EXPECT_FALSE((*client)->ReadLine(kReplyTime));
}

TEST_F(VmProcessTest, DaemonThatWasStartedWithoutStandardStreamsServes) {
  TempDir dir;
  const std::string qmp = dir.File("q");
  const RunResult started = RunCommand(
      {"/bin/sh", "-c", R"(exec "$@" <&- >&- 2>&-)", "sh", DavitdPath(), "-S", "-daemonize", "-qmp",
       "unix:" + qmp + ",server=on,wait=off", "-pidfile", dir.File("pid")});
  ASSERT_EQ(started.status, 0) << started.err;
  const pid_t pid = std::stoi(ReadFile(dir.File("pid")));
  const KillGuard guard(pid);
  auto client = client::Client::Connect("unix:" + qmp);
  ASSERT_OK(client);
  EXPECT_OK((*client)->Execute("query-status"));
  kill(pid, SIGTERM);
  EXPECT_OK((*client)->WaitEvent("SHUTDOWN"));
  EXPECT_TRUE(WaitGone(pid, kReplyTime));
}

TEST_F(VmProcessTest, DaemonRemovesASocketThatHadARelativePath) {
  TempDir dir;
  const RunResult started =
      RunCommand({"env", "-C", dir.path(), std::filesystem::absolute(DavitdPath()), "-S",
                  "-daemonize", "-qmp", "unix:q,server=on,wait=off"});
  ASSERT_EQ(started.status, 0) << started.err;
  auto client = client::Client::Connect("unix:" + dir.File("q"));
  ASSERT_TRUE(client) << client.error();
  ASSERT_TRUE((*client)->Execute("quit"));
  EXPECT_TRUE((*client)->WaitEvent("SHUTDOWN"));
  EXPECT_FALSE((*client)->ReadLine(kReplyTime));  // end of file
  EXPECT_FALSE(Exists(dir.File("q")));
}

TEST_F(VmProcessTest, DaemonLeavesAnAbstractNameAsItIs) {
  TempDir dir;
  const std::string name = dir.path().substr(1);  // as a path it would be relative
  const RunResult started = Davitd({"-S", "-daemonize", "-pidfile", dir.File("pid"), "-qmp",
                                    "unix:" + name + ",abstract=on,server=on,wait=off"});
  ASSERT_EQ(started.status, 0) << started.err;
  const pid_t pid = std::stoi(ReadFile(dir.File("pid")));
  const KillGuard guard(pid);
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
  const size_t length = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  EXPECT_EQ(
      connect(fd.get(), reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(length)), 0)
      << std::strerror(errno);
  kill(pid, SIGTERM);
  EXPECT_TRUE(WaitGone(pid, kReplyTime));
}

// The machine is made when the daemon has long been in another working directory.
TEST_F(VmProcessTest, DaemonInPreconfigFindsFilesThatHadRelativePaths) {
  TempDir dir;
  std::filesystem::copy_file(Runfile("tests/guest/probe/probe.elf"), dir.File("kernel"));
  std::ofstream(dir.File("initrd")) << "initrd";
  const RunResult started =
      RunCommand({"env", "-C", dir.path(), std::filesystem::absolute(DavitdPath()), "-daemonize",
                  "--preconfig", "-kernel", "kernel", "-initrd", "initrd", "-qmp",
                  "unix:q,server=on,wait=off"});
  ASSERT_EQ(started.status, 0) << started.err;
  auto client = client::Client::Connect("unix:" + dir.File("q"));
  ASSERT_OK(client);
  EXPECT_OK((*client)->Execute("x-exit-preconfig"));
  EXPECT_OK((*client)->Execute("quit"));
  EXPECT_FALSE((*client)->ReadLine(kReplyTime));  // end of file
}

TEST_F(VmProcessTest, DaemonInPreconfigWritesTheTreeWhereItWasStarted) {
  TempDir dir;
  const RunResult started =
      RunCommand({"env", "-C", dir.path(), std::filesystem::absolute(DavitdPath()), "-daemonize",
                  "--preconfig", "-machine", "dumpdtb=tree", "-qmp", "unix:q,server=on,wait=off"});
  ASSERT_EQ(started.status, 0) << started.err;
  auto client = client::Client::Connect("unix:" + dir.File("q"));
  ASSERT_OK(client);
  (void)(*client)->Execute("x-exit-preconfig");
  EXPECT_FALSE((*client)->ReadLine(kReplyTime));  // end of file
  EXPECT_TRUE(Exists(dir.File("tree")));
}

TEST_F(VmProcessTest, DaemonThatCannotStartSaysSoToItsCaller) {
  TempDir dir;
  const RunResult result =
      Davitd({"-daemonize", "-kernel", dir.File("missing"), "-pidfile", dir.File("pid")});
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find(dir.File("missing")), std::string::npos) << result.err;
  EXPECT_FALSE(Exists(dir.File("pid")));
}

TEST_F(VmProcessTest, PreconfigServesQmpBeforeTheMachineExists) {
  auto vm = Vm::Start({.args = {"--preconfig"}});
  ASSERT_TRUE(vm) << vm.error();
  EXPECT_EQ((*vm)->RunState(), "prelaunch");
  const auto refused = (*vm)->qmp().Execute("query-cpus-fast");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message,
            "The command 'query-cpus-fast' is permitted only after machine initialization has "
            "completed");
  ASSERT_TRUE((*vm)->qmp().Execute("x-exit-preconfig"));
  EXPECT_TRUE((*vm)->serial().WaitFor("probe", kReplyTime));
  EXPECT_EQ((*vm)->RunState(), "running");
}

}  // namespace
}  // namespace davit::testing
