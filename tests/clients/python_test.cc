// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Python clients: qemu.qmp in its first form (no newline, no id) and in its asyncio form (ids of
// its own, out-of-band when offered), avocado-vt's monitor (random ids, bytes that are wrong on
// purpose), and QEMU's qmp-shell on top of the former. None of them is in Debian 12 as a package.
#include <string>

#include "tests/clients/fixture.h"

namespace davit::testing {
namespace {

class LegacyQmpTest : public ClientTest {};

TEST_F(LegacyQmpTest, CommandsWithoutNewlineAnswersByLine) {
  Wire wire = Connect();
  EXPECT_TRUE(Message(wire)["QMP"].is_object());
  EXPECT_DONE(Ask(wire, R"({"execute": "qmp_capabilities"})"));
  EXPECT_EQ(
      Ask(wire, R"({"execute": "query-version", "arguments": {}})")["return"]["qemu"]["major"],
      json::Value(7));
}

class QmpShellTest : public LegacyQmpTest {};

// qmp-shell sends arguments with every command, and in its human mode a CPU with each line.
TEST_F(QmpShellTest, EmptyArgumentsHumanLinesAndTransactions) {
  Wire wire = Connect();
  EXPECT_TRUE(Message(wire)["QMP"].is_object());
  EXPECT_DONE(Ask(wire, R"({"execute": "qmp_capabilities"})"));
  EXPECT_TRUE(Ask(wire, R"({"execute": "query-commands", "arguments": {}})")["return"].is_array());
  EXPECT_EQ(Ask(wire, R"({"execute": "human-monitor-command", "arguments": {"command-line": )"
                      R"("info status", "cpu-index": 0}})")["return"],
            json::Value("VM status: running\r\n"));
  EXPECT_REFUSED(Ask(wire, R"({"execute": "human-monitor-command", "arguments": {)"
                           R"("command-line": "info registers", "cpu-index": 7}})"),
                 "GenericError", "Parameter 'cpu-index' expects a CPU number");
  EXPECT_REFUSED(Ask(wire, R"({"execute": "transaction", "arguments": {"actions": []}})"),
                 "CommandNotFound", "The command transaction has not been found");
}

class AsyncQmpTest : public ClientTest {};

TEST_F(AsyncQmpTest, NegotiatesOutOfBandWhenItIsOffered) {
  Wire wire = Connect();
  const json::Value greeting = Message(wire);
  EXPECT_EQ(greeting["QMP"]["capabilities"], json::Value(json::Array{"oob"}));
  const json::Value ready =
      Ask(wire,
          "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": [\"oob\"]}, "
          "\"id\": \"__qmp#00001\"}\n");
  EXPECT_DONE(ready);
  EXPECT_EQ(ready["id"], json::Value("__qmp#00001"));
  // Two commands under way, told apart by their ids.
  ASSERT_TRUE(
      wire.Send("{\"execute\": \"query-qmp-schema\", \"id\": \"__qmp#00002\"}\n"
                "{\"execute\": \"query-status\", \"id\": \"__qmp#00003\"}\n"));
  EXPECT_EQ(Reply(wire)["id"], json::Value("__qmp#00002"));
  EXPECT_EQ(Reply(wire)["id"], json::Value("__qmp#00003"));
}

class AvocadoTest : public OneConnectionTest {
 protected:
  void SetUp() override {
    OneConnectionTest::SetUp();
    if (wire_ == nullptr) return;
    EXPECT_DONE(Ask(*wire_, "{\"execute\": \"qmp_capabilities\", \"id\": \"vS1pkzVC\"}\n"));
  }
};

TEST_F(AvocadoTest, AnyJsonIsAnId) {
  for (const std::string id : {"\"x\"", "5", "-1", "true", "null", "[1, 2]", "{\"a\": {}}"}) {
    ASSERT_TRUE(wire_->Send("{\"execute\": \"query-name\", \"id\": " + id + "}\n"));
    EXPECT_EQ(wire_->ReadTo("\r\n").value_or(""), "{\"return\": {}, \"id\": " + id + "}\r\n");
  }
}

TEST_F(AvocadoTest, WhatIsWrongOnPurposeIsAnsweredAndTheSessionLives) {
  for (const std::string wrong :
       {"{\"execute\": }", "{ \"execute\": 1 }", "{}", "[]", "{\"execute\": \"stop\", \"x\": 1}",
        "{\"execute\": \"query-name\", \"arguments\": 1}"}) {
    const json::Value answer = Ask(*wire_, wrong + "\n");
    EXPECT_EQ(answer["error"]["class"], json::Value("GenericError")) << wrong;
    // One answer for each, and what follows is read from a clean start.
    EXPECT_EQ(Ask(*wire_, "{\"execute\": \"query-name\", \"id\": 1}\n")["id"], json::Value(1))
        << wrong;
  }
}

TEST_F(AvocadoTest, TheCommandsOfTheHumanMonitorAreToldByHelp) {
  const json::Value help = Ask(*wire_,
                               "{\"execute\": \"human-monitor-command\", \"arguments\": "
                               "{\"command-line\": \"help\"}, \"id\": \"a\"}\n");
  const std::string* text = help["return"].AsString();
  ASSERT_NE(text, nullptr);
  EXPECT_NE(text->find("device_add "), std::string::npos);
  EXPECT_NE(text->find("info "), std::string::npos);
}

}  // namespace
}  // namespace davit::testing
