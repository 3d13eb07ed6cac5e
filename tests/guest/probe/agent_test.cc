// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the probe guest's agent says, line by line, as compiled for the host.
#include "tests/guest/probe/agent.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/guest/probe/clock.h"

namespace probe {
namespace {

std::string Answer(const std::string& line, uint64_t seconds = 0) {
  AgentReply reply;
  AnswerAgent(line.c_str(), seconds, reply);
  return {reply.text, reply.size};
}

AgentAction ActionOf(const std::string& line) {
  AgentReply reply;
  AnswerAgent(line.c_str(), 0, reply);
  return reply.action;
}

TEST(Agent, PingAndSyncAreAnswered) {
  EXPECT_EQ(Answer(R"({"execute":"guest-ping"})"), "{\"return\": {}}\n");
  EXPECT_EQ(Answer(R"({"execute": "guest-sync", "arguments": {"id": 18446744073709551615}})"),
            "{\"return\": 18446744073709551615}\n");
  EXPECT_EQ(Answer(R"({"arguments":{"id":7},"execute":"guest-sync-delimited"})"),
            "\xff{\"return\": 7}\n");
}

TEST(Agent, TimeIsInNanoseconds) {
  EXPECT_EQ(Answer(R"({"execute":"guest-get-time"})", 1700000000),
            "{\"return\": 1700000000000000000}\n");
  EXPECT_EQ(Answer(R"({"execute":"guest-get-time"})"),
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"There is no clock\"}}\n");
}

TEST(Agent, AShutdownIsDoneAndNotAnswered) {
  EXPECT_EQ(ActionOf(R"({"execute":"guest-shutdown"})"), AgentAction::kPowerOff);
  EXPECT_EQ(ActionOf(R"({"execute":"guest-shutdown","arguments":{"mode":"reboot"}})"),
            AgentAction::kReset);
  EXPECT_EQ(Answer(R"({"execute":"guest-shutdown","arguments":{"mode":"powerdown"}})"), "");
  const std::string other = R"({"execute":"guest-shutdown","arguments":{"mode":"hal"}})";
  EXPECT_EQ(ActionOf(other), AgentAction::kNone);
  EXPECT_EQ(Answer(other),
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Invalid parameter 'mode'\"}}\n");
}

TEST(Agent, WhatItDoesNotKnowIsAnError) {
  EXPECT_EQ(Answer(R"({"execute":"guest-exec"})"),
            "{\"error\": {\"class\": \"CommandNotFound\", "
            "\"desc\": \"The command guest-exec has not been found\"}}\n");
  for (const char* line : {"", "{", "execute", R"({"execute":1})", R"({"execute":"a b"})",
                           R"({"execute":"a-name-that-is-longer-than-any-command-has"})"}) {
    EXPECT_EQ(Answer(line),
              "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Invalid JSON syntax\"}}\n")
        << line;
  }
  EXPECT_EQ(
      Answer(R"({"execute":"guest-sync"})"),
      "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Parameter 'id' is missing\"}}\n");
}

TEST(Agent, LinesEndWhereTheyEnd) {
  AgentInput input{};
  std::string lines;
  const auto hear = [&](const std::string& bytes) {
    for (char byte : bytes) {
      if (AddToLine(input, byte)) lines += std::string("[") + input.line + "]";
    }
  };
  hear("one\ntw");
  hear("o\nhalf a line\xffthree\n");
  hear(std::string(kAgentLine, 'x') + "\n");
  EXPECT_EQ(lines, "[one][two][three][" + std::string(kAgentLine, 'x') + "]");
  lines.clear();
  hear(std::string(kAgentLine + 1, 'x') + "\nfour\n");
  EXPECT_EQ(lines, "[][four]");  // the first says nothing
}

TEST(Clock, SecondsSince1970) {
  EXPECT_EQ(UnixSeconds({1970, 1, 1, 0, 0, 0}), 0U);
  EXPECT_EQ(UnixSeconds({2000, 2, 29, 12, 0, 1}), 951825601U);
  EXPECT_EQ(UnixSeconds({2000, 3, 1, 0, 0, 0}), 951868800U);
  EXPECT_EQ(UnixSeconds({2024, 1, 1, 0, 0, 0}), 1704067200U);
  EXPECT_EQ(UnixSeconds({2026, 11, 30, 23, 59, 59}), 1796083199U);
  EXPECT_EQ(UnixSeconds({2100, 3, 1, 0, 0, 0}), 4107542400U);
}

}  // namespace
}  // namespace probe
