// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qmp-shell at a terminal: completion from the live schema, history, the control keys, and events
// that come while a line is typed. Owner: the thread of the test.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/integration/common.h"
#include "tests/integration/host_view.h"
#include "tests/support/terminal.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {
namespace {

constexpr char kPrompt[] = "(davit) ";
constexpr char kUp[] = "\x1b[A";
constexpr char kCtrlC[] = "\x03";
constexpr char kCtrlD[] = "\x04";

// The environment of a shell that shows text alone: no colours, no bells.
std::vector<std::string> Plain(const TempDir& home) {
  std::ofstream(home.File("inputrc")) << "set bell-style none\n";
  return {"HOME=" + home.path(), "TERM=dumb", "INPUTRC=" + home.File("inputrc")};
}

// A shell on some server.
class ShellAtTerminal : public ::testing::Test {
 protected:
  // With its prompt; one that was open is killed.
  void OpenAt(const std::string& address, std::vector<std::string> arguments,
              const std::string& prompt) {
    arguments.insert(arguments.begin(), Runfile("clients/qmp-shell/qmp-shell"));
    arguments.push_back(address);
    auto terminal = Terminal::Start(arguments, Plain(home_));
    ASSERT_OK(terminal);
    terminal_ = std::move(*terminal);
    See(prompt);
  }

  // After a first failure nothing more is waited for.
  void Type(std::string_view keys) {
    if (!HasFatalFailure()) ASSERT_OK(terminal_->Type(keys));
  }
  void See(std::string_view text) {
    if (!HasFatalFailure()) ASSERT_OK(terminal_->Expect(text));
  }
  // Ends the shell at its prompt, by Ctrl-D.
  void Leave() {
    Type(kCtrlD);
    auto end = terminal_->ExpectEnd();
    ASSERT_OK(end);
    EXPECT_EQ(end->status, 0) << end->text;
  }

  TempDir home_;
  std::unique_ptr<Terminal> terminal_;
};

class TerminalTest : public ShellAtTerminal {
 protected:
  void SetUp() override {
    if (const std::string why = WhyNoKvm(); !why.empty()) GTEST_SKIP() << why;
    auto vm = Vm::Start({.args = {"-S", "-name", "mine"}});
    ASSERT_OK(vm);
    vm_ = std::move(*vm);
    Open();
  }
  void Open(const std::vector<std::string>& arguments = {}, const std::string& prompt = kPrompt) {
    OpenAt(vm_->qmp_address(), arguments, prompt);
  }

  std::unique_ptr<Vm> vm_;
};

TEST_F(TerminalTest, TabCompletesCommandArgumentAndValueFromTheLiveSchema) {
  Type("set-act\t");
  See("set-action ");
  Type("reb\t");
  See("reboot=");
  Type("sh\t");
  See("shutdown ");
  Type("\n");
  See("{\"return\": {}}");
  See(kPrompt);
}

TEST_F(TerminalTest, TabCompletesTheSharedPartAndThenListsWhatFits) {
  Type("query-mac\t");
  See("query-machines ");
  Type(kCtrlC);
  See(kPrompt);
  Type("query-cp\t");
  See("query-cpu");
  Type("\t\t");  // nothing to add; then the list
  See("query-cpu-definitions");
  See("query-cpus-fast");
  See("(davit) query-cpu");
  Type("s\t");
  See("s-fast ");
}

TEST_F(TerminalTest, TabCompletesNamesThatTheVmHas) {
  Type("object-add qom-type=iothread id=thread7\n");
  See("{\"return\": {}}");
  See(kPrompt);
  Type("object-del id=th\t");
  See("thread7 ");
  Type(kCtrlC);
  See(kPrompt);
  Type("qom-list path=/obj\t");
  See("/objects/");
  Type("thr\t\n");
  See("\"poll-max-ns\"");
  See(kPrompt);
}

TEST_F(TerminalTest, TabAfterWhatTheSchemaDoesNotHaveAddsNothing) {
  Type("no-such-co\t");
  See("no-such-co");
  Type("mmand\n");
  See("mmand\r\n");
  See("The command no-such-command has not been found");
  See(kPrompt);
}

TEST_F(TerminalTest, UpRecallsEarlierLines) {
  Type("query-name\n");
  See("{\"return\": {\"name\": \"mine\"}}");
  See(kPrompt);
  Type("query-status\n");
  See("\"prelaunch\"");
  See(kPrompt);
  Type(kUp);
  See("query-status");
  Type(kUp);
  See("name");  // in the place of the other's end
  Type("\n");
  See("{\"return\": {\"name\": \"mine\"}}");
  See(kPrompt);
}

TEST_F(TerminalTest, HistoryOutlivesTheShell) {
  Type("query-name\n");
  See("{\"return\"");
  See(kPrompt);
  Leave();
  EXPECT_CONTAINS(ReadFile(home_.File(".qmp_history")), "query-name\n");
  Open();
  Type(kUp);
  See("query-name");
}

TEST_F(TerminalTest, CtrlCDropsTheLine) {
  Type("query-status\n");
  See("\"prelaunch\"");
  See(kPrompt);
  Type("quit");
  See("quit");
  Type(kCtrlC);
  See("^C\r\n(davit) ");
  // What was dropped is not in the way of the next line, nor of the history.
  Type(kUp);
  See("query-status");
  Type("\n");
  See("\"prelaunch\"");
  See(kPrompt);
}

TEST_F(TerminalTest, CtrlDLeavesTheVmAlone) {
  Type("query-n");
  See("query-n");
  Type(kCtrlD);  // deletes the character under the cursor: there is none
  Type("ame\n");
  See("\"mine\"");
  See(kPrompt);
  Leave();
  EXPECT_EQ(vm_->RunState(), "prelaunch");
}

TEST_F(TerminalTest, EventsShowAboveTheLineThatIsTyped) {
  Type("query-na");
  See("query-na");
  ASSERT_OK(vm_->qmp().Execute("cont"));
  See("\"event\": \"RESUME\"}");
  See("(davit) query-na");
  Type("me\n");
  See("{\"return\": {\"name\": \"mine\"}}");
}

TEST_F(TerminalTest, EndOfTheVmEndsTheShell) {
  ASSERT_OK(vm_->qmp().Execute("quit"));
  auto end = terminal_->ExpectEnd();
  ASSERT_OK(end);
  EXPECT_CONTAINS(end->text, "\"reason\": \"host-qmp-quit\"");
  EXPECT_CONTAINS(end->text, "The VM closed the connection.");
  EXPECT_EQ(end->status, 0);
}

TEST_F(TerminalTest, HmpCompletesFromTheHelpOfTheServer) {
  Open({"-H"}, "(hmp) ");
  Type("info stat\t");
  See("info status ");
  Type("\n");
  See("VM status: paused (prelaunch)");
  See("(hmp) ");
}

// The same names and properties, of the same commands.
TEST_F(ShellAtTerminal, TabCompletesFromQemuToo) {
  const QemuBeside qemu("q35", {"-device", "virtio-rng-pci,id=rng7", "-object", "iothread,id=io7"});
  if (!qemu.why().empty()) GTEST_SKIP() << qemu.why();
  OpenAt(qemu.qmp(), {}, kPrompt);
  Type("query-hotpl\t");
  See("query-hotpluggable-cpus ");
  Type(kCtrlC);
  See(kPrompt);
  Type("device_del id=rn\t");
  See("rng7 ");
  Type(kCtrlC);
  See(kPrompt);
  Type("object-del id=i\t");
  See("io7 ");
  Type(kCtrlC);
  See(kPrompt);
  Type("device_add driver=virtio-rng-pci max-b\t");
  See("max-bytes=");
  Type(kCtrlC);
  See(kPrompt);
  Type("qom-get path=/mach\t");
  See("/machine/");
  Type("peripheral/r\t");
  See("peripheral/rng7/");
  Type(" property=max-b\t\n");
  See("max-bytes");
  See("{\"return\": 9223372036854775807}");
}

// A server that answers what it is told to, to have a command that waits for ever.
class SilentServerTest : public ::testing::Test {
 protected:
  void Answer(const std::string& request, const std::string& reply) {
    char buffer[1024];
    const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, 0);
    ASSERT_GT(n, 0);
    EXPECT_CONTAINS(std::string(buffer, static_cast<size_t>(n)), request);
    Say(reply);
  }
  void Say(const std::string& line) {
    const std::string text = line + "\r\n";
    ASSERT_EQ(send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

  TempDir dir_;
  UniqueFd fd_;
};

TEST_F(SilentServerTest, CtrlCEndsAShellWhoseCommandDoesNotReturn) {
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, dir_.File("q").c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  auto terminal =
      Terminal::Start({Runfile("clients/qmp-shell/qmp-shell"), "-v", dir_.File("q")}, Plain(dir_));
  ASSERT_OK(terminal);
  fd_.reset(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(fd_);
  Say(R"({"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, )"
      R"("capabilities": []}})");
  Answer("qmp_capabilities", R"({"return": {}, "id": 1})");
  Answer("query-qmp-schema", R"({"return": [], "id": 2})");
  ASSERT_OK((*terminal)->Expect(kPrompt));
  ASSERT_OK((*terminal)->Type("stop\n"));
  ASSERT_OK((*terminal)->Expect("{\"execute\": \"stop\"}"));
  ASSERT_OK((*terminal)->Type(kCtrlC));
  auto end = (*terminal)->ExpectEnd();
  ASSERT_OK(end);
  EXPECT_EQ(end->status, 130) << end->text;
}

}  // namespace
}  // namespace davit::testing
