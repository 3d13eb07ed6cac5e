// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The session that ./run starts: a daemon, a shell or a script on it, and nothing left behind. The
// demo is the one of ./run --demo. Owner: the thread of the test.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "tests/integration/common.h"
#include "tests/support/terminal.h"

namespace davit::testing {
namespace {

std::vector<std::string> Session(const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {"/bin/bash", Runfile("clients/qmp-shell/session.sh"),
                                   DavitdPath(), Runfile("clients/qmp-shell/qmp-shell")};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

// The daemon and its folder, which the session names in its first line, are gone.
void ExpectNothingLeft(const std::string& output) {
  std::smatch found;
  ASSERT_TRUE(std::regex_search(output, found, std::regex("davitd (\\d+): QMP on (\\S+)/qmp.sock")))
      << output;
  EXPECT_TRUE(WaitGone(std::stoi(found[1]), kReplyTime));
  EXPECT_FALSE(Exists(found[2]));
}

// `parts` come in this order.
void ExpectInOrder(const std::string& text, const std::vector<std::string>& parts) {
  size_t at = 0;
  for (const std::string& part : parts) {
    const size_t found = text.find(part, at);
    ASSERT_NE(found, std::string::npos) << part << "\nnot behind what came before it in\n" << text;
    at = found + part.size();
  }
}

class SessionTest : public VmTest {};

TEST_F(SessionTest, DemoRunsToTheEnd) {
  const RunResult run = RunCommand(Session({"--demo", Runfile("clients/qmp-shell/demo.qmp")}));
  EXPECT_EQ(run.status, 0) << run.out;
  EXPECT_EQ(run.err, "");
  ExpectInOrder(run.out,
                {"QMP on ", "{\"execute\": \"query-version\"}\n", "\"package\": \"davit ",
                 "{\"return\": {\"status\": \"running\", ", "\"name\": \"microvm\"",
                 "\"cpu-index\": 0", "{\"return\": {\"enabled\": true, \"present\": true}}\n",
                 "\"event\": \"STOP\"}\n", "{\"return\": {\"status\": \"paused\", ",
                 "\"event\": \"RESUME\"}\n", "{\"return\": \"VM status: running\\r\\n\"}\n",
                 "\"event\": \"RESET\", ", "\"event\": \"POWERDOWN\"}\n",
                 "\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, \"reason\": "
                 "\"guest-shutdown\"}}\n",
                 "The guest said on its serial port:\n", "  | davit probe guest",
                 "  | power off: button", "Demo done.\n"});
  ExpectNothingLeft(run.out);
}

TEST_F(SessionTest, ScriptThatFailsFailsTheSession) {
  TempDir dir;
  std::ofstream(dir.File("script")) << "query-name\nno-such-command\nstop\n";
  const RunResult run = RunCommand(Session({"--demo", dir.File("script")}));
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.err, "line 2 failed: no-such-command");
  EXPECT_EQ(run.out.find("Demo done."), std::string::npos);
  ExpectNothingLeft(run.out);
}

TEST_F(SessionTest, DaemonThatDoesNotStartFailsTheSession) {
  const RunResult run = RunCommand(Session({"--", "-kernel", "/nonexistent"}));
  EXPECT_EQ(run.status, 1);
  EXPECT_CONTAINS(run.err, "could not open kernel file '/nonexistent'");
  EXPECT_EQ(run.out, "");
}

TEST_F(SessionTest, LeavingTheShellEndsTheVm) {
  TempDir dir;
  auto terminal = Terminal::Start(
      Session({"--", "-name", "mine"}),
      {"HOME=" + dir.path(), "TERM=dumb", "INPUTRC=/dev/null", "PATH=/usr/bin:/bin"});
  ASSERT_OK(terminal);
  auto shown = (*terminal)->Expect("(davit) ");
  ASSERT_OK(shown);
  ASSERT_OK((*terminal)->Type("query-name\n"));
  EXPECT_OK((*terminal)->Expect("{\"return\": {\"name\": \"mine\"}}"));
  EXPECT_OK((*terminal)->Expect("(davit) "));
  // Ctrl-C goes to the whole session, and is the shell's.
  ASSERT_OK((*terminal)->Type("\x03"));
  EXPECT_OK((*terminal)->Expect("^C\r\n(davit) "));
  ASSERT_OK((*terminal)->Type("\x04"));
  auto end = (*terminal)->ExpectEnd();
  ASSERT_OK(end);
  EXPECT_EQ(end->status, 0) << end->text;
  ExpectNothingLeft(*shown);
}

}  // namespace
}  // namespace davit::testing
