// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/console.h"
#include "tests/support/process.h"

namespace davit::testing {
namespace {

using std::chrono::milliseconds;

TEST(ProcessTest, ExitStatusIsTheChilds) {
  TempDir dir;
  auto process = Process::Start({"sh", "-c", "exit 7"}, dir.File("err"));
  ASSERT_TRUE(process) << process.error();
  EXPECT_EQ((*process)->Wait(kPatience), 7);
}

TEST(ProcessTest, SignalledChildHas128PlusNumber) {
  TempDir dir;
  auto process = Process::Start({"cat"}, dir.File("err"));
  ASSERT_TRUE(process) << process.error();
  EXPECT_FALSE((*process)->Wait(milliseconds(1)));
  (*process)->Signal(15);
  EXPECT_EQ((*process)->Wait(kPatience), 143);
}

TEST(ProcessTest, EndAsksAndJudges) {
  TempDir dir;
  const auto end_of = [&](const std::string& script) {
    auto process =
        Process::Start({"sh", "-c", "trap '" + script + "' TERM; echo; while read x; do :; done"},
                       dir.File("err"));
    char ready = 0;
    EXPECT_EQ(read((*process)->stdio(), &ready, 1), 1);
    const Status ended = (*process)->End(kPatience);
    return ended ? "" : ended.error().message;
  };
  EXPECT_EQ(end_of("exit 0"), "");
  EXPECT_NE(end_of("exit 3").find("ended with status 3"), std::string::npos);
}

TEST(ProcessTest, EndOfWhatHasEndedByItselfIsJudgedOnce) {
  TempDir dir;
  auto process = Process::Start({"sh", "-c", "exit 7"}, dir.File("err"));
  ASSERT_TRUE(process) << process.error();
  // The end of file is the child's end, but for its last steps.
  char byte;
  EXPECT_EQ(read((*process)->stdio(), &byte, 1), 0);
  EXPECT_FALSE((*process)->End(kPatience));
  EXPECT_TRUE((*process)->End(kPatience)) << "it has been waited for";
}

TEST(ProcessTest, KillGuardKillsWhatStillRuns) {
  TempDir dir;
  auto process = Process::Start({"cat"}, dir.File("err"));
  ASSERT_TRUE(process) << process.error();
  { const KillGuard guard((*process)->pid()); }
  EXPECT_EQ((*process)->Wait(kPatience), 137);
}

TEST(ProcessTest, RunCollectsOutputAndErrors) {
  const RunResult result = RunCommand({"sh", "-c", "echo out; echo err >&2"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
}

TEST(ProcessTest, RunKillsWhatOutlivesTheDeadline) {
  EXPECT_EQ(RunCommand({"tail", "-f", "/dev/null"}, milliseconds(50)).status, -1);
}

TEST(TempDirTest, IsRemovedWithItsFiles) {
  std::string path;
  {
    TempDir dir;
    path = dir.path();
    RunCommand({"touch", dir.File("x")});
    EXPECT_TRUE(std::filesystem::exists(dir.File("x")));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(ConsoleTest, WaitConsumesUpToTheEndOfTheLine) {
  TempDir dir;
  auto process =
      Process::Start({"sh", "-c", "printf 'a 1\\r\\nb 2\\r\\nb 3\\r\\n'"}, dir.File("err"));
  ASSERT_TRUE(process) << process.error();
  Console console((*process)->stdio());
  EXPECT_EQ(console.WaitForLine("b ", kPatience), "2");
  EXPECT_EQ(console.WaitForLine("b ", kPatience), "3");
  EXPECT_FALSE(console.WaitFor("b", kPatience));
}

TEST(ConsoleTest, PromptNeedsNoEndOfLine) {
  TempDir dir;
  auto process =
      Process::Start({"sh", "-c", "printf 'motd\\nlogin: '; read x; echo $x"}, dir.File("err"));
  ASSERT_TRUE(process) << process.error();
  Console console((*process)->stdio());
  EXPECT_EQ(console.WaitForPrompt("login: ", kPatience), "motd\nlogin: ");
  EXPECT_FALSE(console.WaitForPrompt("login: ", milliseconds(1)));
  ASSERT_TRUE(console.Send("me\n"));
  EXPECT_EQ(console.WaitForLine("m", kPatience), "e");
}

TEST(ConsoleTest, WhatMustNotComeEndsTheWait) {
  TempDir dir;
  auto process =
      Process::Start({"sh", "-c", "printf 'up\\na 1\\nup\\nb 2\\n'; read x"}, dir.File("err"));
  ASSERT_TRUE(process) << process.error();
  Console console((*process)->stdio());
  ASSERT_TRUE(console.WaitFor("up", kPatience));
  console.Forbid("up");
  EXPECT_EQ(console.WaitForLine("a ", kPatience), "1");
  for (int i = 0; i < 2; ++i) {
    auto line = console.WaitForLine("c ", kPatience);
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().message.substr(0, 32), "waiting for 'c ': 'up' came; the");
  }
}

TEST(ConsoleTest, SendReachesTheChild) {
  TempDir dir;
  auto process = Process::Start({"cat"}, dir.File("err"));
  ASSERT_TRUE(process) << process.error();
  Console console((*process)->stdio());
  ASSERT_TRUE(console.Send("hello\n"));
  EXPECT_EQ(console.WaitForLine("hel", kPatience), "lo");
}

}  // namespace
}  // namespace davit::testing
