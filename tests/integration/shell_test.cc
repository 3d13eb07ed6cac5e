// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The qmp-shell program against a davitd with the probe guest: scripts on standard input, the
// options, and the exit status when something fails. Owner: the thread of the test.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fstream>
#include <string>
#include <vector>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {
namespace {

// qmp-shell with these arguments, its standard input a file.
RunResult ShellFrom(const std::string& file, const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {"sh", "-c", "in=$1; shift; exec \"$@\" < \"$in\"", "sh", file};
  argv.push_back(Runfile("clients/qmp-shell/qmp-shell"));
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return RunCommand(argv);
}

RunResult Shell(const std::string& script, const std::vector<std::string>& arguments) {
  TempDir dir;
  std::ofstream(dir.File("script")) << script;
  return ShellFrom(dir.File("script"), arguments);
}

// A TCP port of the loopback that nobody has now; 0 after a failure.
int FreePort() {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(fd.get(), generic, size) != 0 || getsockname(fd.get(), generic, &size) != 0) return 0;
  return ntohs(address.sin_port);
}

class ShellProgramTest : public VmTest {};

TEST_F(ShellProgramTest, WaitGoesOnUntilTheEventHasComeAndFailsWhenItCannot) {
  auto vm = StartReady();
  ASSERT_NE(vm, nullptr);
  const RunResult run = Shell("transaction(\n", {vm->qmp_address()});
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.out, "a transaction is not closed");
  const RunResult off = Shell("system_powerdown\n", {"--wait", "SHUTDOWN", vm->qmp_address()});
  EXPECT_EQ(off.status, 0) << off.out;
  EXPECT_CONTAINS(off.out, "\"reason\": \"guest-shutdown\"");
  vm = StartReady();
  ASSERT_NE(vm, nullptr);
  EXPECT_EQ(Shell("quit\n", {"-w", "RESET", vm->qmp_address()}).status, 1);
}

TEST_F(ShellProgramTest, ScriptRunsToThePowerOffOfTheGuest) {
  auto vm = StartReady();
  ASSERT_NE(vm, nullptr);
  const RunResult run =
      Shell("# off\nsystem_powerdown\nwait-event SHUTDOWN\n", {"-v", vm->qmp_address()});
  EXPECT_EQ(run.status, 0) << run.out;
  EXPECT_EQ(run.err, "");
  EXPECT_TRUE(run.out.starts_with("{\"execute\": \"system_powerdown\"}\n")) << run.out;
  EXPECT_CONTAINS(run.out, "\"event\": \"SHUTDOWN\"");
  EXPECT_CONTAINS(run.out, "\"reason\": \"guest-shutdown\"");
  EXPECT_EQ(vm->process().Wait(kReplyTime).value_or(-1), 0);
}

TEST_F(ShellProgramTest, ScriptEndsAtTheFirstLineThatFails) {
  auto vm = Vm::Start({});
  ASSERT_OK(vm);
  const RunResult run = Shell("query-status\nno-such-command\nstop\n", {(*vm)->qmp_address()});
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.err, "qmp-shell: line 2 failed: no-such-command\n");
  EXPECT_CONTAINS(run.out, "\"CommandNotFound\"");
  EXPECT_EQ((*vm)->RunState(), "running");
}

TEST_F(ShellProgramTest, PrettyPrintsOverSeveralLines) {
  auto vm = Vm::Start({});
  ASSERT_OK(vm);
  const RunResult plain = Shell("query-status\n", {(*vm)->qmp_address()});
  EXPECT_EQ(plain.out.find('\n'), plain.out.size() - 1) << plain.out;
  const RunResult pretty = Shell("query-status\n", {"-p", (*vm)->qmp_address()});
  EXPECT_EQ(pretty.status, 0) << pretty.err;
  EXPECT_TRUE(pretty.out.starts_with("{\n    \"return\": {\n")) << pretty.out;
}

TEST_F(ShellProgramTest, HmpRunsHumanCommands) {
  auto vm = Vm::Start({});
  ASSERT_OK(vm);
  const RunResult run = Shell("info status\n", {"-H", (*vm)->qmp_address()});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.out, "VM status: running\r\n");
}

TEST_F(ShellProgramTest, SkippedNegotiationIsLeftToTheScript) {
  auto vm = Vm::Start({});
  ASSERT_OK(vm);
  const RunResult without = Shell("query-status\n", {"-N", (*vm)->qmp_address()});
  EXPECT_EQ(without.status, 1);
  EXPECT_CONTAINS(without.out, "Expecting capabilities negotiation");
  const RunResult with = Shell("qmp_capabilities\nquery-status\n", {"-N", (*vm)->qmp_address()});
  EXPECT_EQ(with.status, 0) << with.err;
  EXPECT_CONTAINS(with.out, "\"status\": \"running\"");
}

TEST_F(ShellProgramTest, TcpAddress) {
  const int port = FreePort();
  ASSERT_NE(port, 0);
  const std::string address = "tcp:127.0.0.1:" + std::to_string(port);
  auto vm = Vm::Start({.args = {"-qmp", address + ",server=on,wait=off"}});
  ASSERT_OK(vm);
  for (const std::string& form : {address, address.substr(4)}) {
    const RunResult run = Shell("query-status\n", {form});
    EXPECT_EQ(run.status, 0) << form << ": " << run.err;
    EXPECT_CONTAINS(run.out, "\"status\": \"running\"");
  }
}

TEST(ShellProgramAloneTest, MissingServerIsNamedWithTheCause) {
  TempDir dir;
  const RunResult run = Shell("query-status\n", {dir.File("none")});
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(run.err, "qmp-shell: Failed to connect to '" + dir.File("none") +
                         "': No such file or directory\n");
  EXPECT_EQ(run.out, "");
}

TEST(ShellProgramAloneTest, WrongUseIsStatusTwo) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"--nonsense", "address"}, {"one", "two"}, {"-w"}}) {
    const RunResult run = Shell("", arguments);
    EXPECT_EQ(run.status, 2);
    EXPECT_CONTAINS(run.err, "usage: qmp-shell ");
    EXPECT_EQ(run.out, "");
  }
  const RunResult help = Shell("", {"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_TRUE(help.out.starts_with("usage: qmp-shell ")) << help.out;
}

TEST_F(ShellProgramTest, CommandsLeftWhenTheVmIsGoneFailTheScript) {
  auto vm = Vm::Start({});
  ASSERT_OK(vm);
  const RunResult run = Shell("quit\nquery-status\n", {(*vm)->qmp_address()});
  EXPECT_EQ(run.status, 1) << run.out;
  EXPECT_EQ(run.err, "qmp-shell: line 2 failed: query-status\n");
  EXPECT_EQ((*vm)->process().Wait(kReplyTime).value_or(-1), 0);
}

TEST_F(ShellProgramTest, QuitAsTheLastLineIsAGoodEnd) {
  auto vm = Vm::Start({});
  ASSERT_OK(vm);
  const RunResult run = Shell("quit\n# the end\n\n", {(*vm)->qmp_address()});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
}

TEST(ShellWithQemuTest, ItsOwnWordsWorkThere) {
  const QemuBeside qemu("none");
  if (!qemu.why().empty()) GTEST_SKIP() << qemu.why();
  const RunResult help = Shell("help stop\nhelp block-commit\n", {qemu.qmp()});
  EXPECT_EQ(help.status, 0) << help.err;
  EXPECT_TRUE(help.out.starts_with("stop\n\nStops the vCPUs")) << help.out;
  EXPECT_CONTAINS(help.out, "\nblock-commit [job-id=] device= ");
  const RunResult transaction = Shell("transaction(\nabort\n)\n", {qemu.qmp()});
  EXPECT_EQ(transaction.status, 1);
  EXPECT_CONTAINS(transaction.out, "Transaction aborted using Abort action");
  const RunResult quit = Shell("quit\n", {"--wait", "SHUTDOWN", qemu.qmp()});
  EXPECT_EQ(quit.status, 0) << quit.out << quit.err;
  EXPECT_CONTAINS(quit.out, "\"reason\": \"host-qmp-quit\"");
}

}  // namespace
}  // namespace davit::testing
