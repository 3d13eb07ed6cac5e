// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Proxmox VE and go-qemu: commands end with their last brace, no newline follows. Proxmox gives
// every command an id and arguments, and a connection lives for one of them; go-qemu has neither,
// and reads exactly one reply after the greeting before it goes on.
#include <string>

#include "tests/clients/fixture.h"

namespace davit::testing {
namespace {

class ProxmoxTest : public ClientTest {
 protected:
  // A whole session, as it is for each command: the answer to `command`.
  json::Value Run(const std::string& command, const std::string& id) {
    Wire wire = Connect();
    EXPECT_TRUE(Message(wire)["QMP"].is_object());
    json::Value ready =
        Ask(wire, R"({"execute":"qmp_capabilities","id":")" + id + R"(0","arguments":{}})");
    EXPECT_DONE(ready);
    EXPECT_EQ(ready["id"], json::Value(id + "0"));
    json::Value answer =
        Ask(wire, R"({"execute":")" + command + R"(","id":")" + id + R"(1","arguments":{}})");
    EXPECT_EQ(answer["id"], json::Value(id + "1"));
    return answer;
  }
};

TEST_F(ProxmoxTest, ACommandAConnection) {
  for (int i = 0; i < 20; ++i) {
    const json::Value answer = Run("query-status", "4711:" + std::to_string(i));
    EXPECT_EQ(answer["return"]["status"], json::Value("running"));
  }
}

TEST_F(ProxmoxTest, CommandsThatOnlyItsOwnQemuHasAreNotFound) {
  for (const std::string name : {"query-proxmox-support", "savevm-start", "backup", "query-backup",
                                 "get_link_status", "block-export-x"}) {
    EXPECT_REFUSED(Run(name, "1:"), "CommandNotFound",
                   "The command " + name + " has not been found");
  }
}

TEST_F(ProxmoxTest, TheNextCommandMayLieBehindTheBraceOfTheLast) {
  Wire wire = Connect();
  EXPECT_TRUE(wire.Send(R"({"execute":"qmp_capabilities","id":"a"})"
                        R"({"execute":"query-name","id":"b"}{"execute":"query-uuid","id":"c"})"));
  EXPECT_TRUE(Message(wire)["QMP"].is_object());
  for (const char* id : {"a", "b", "c"}) EXPECT_EQ(Reply(wire)["id"], json::Value(id));
}

TEST_F(ProxmoxTest, AnEndInTheMiddleOfACommandHurtsNobody) {
  {
    Wire wire = Connect();
    EXPECT_TRUE(wire.Send(R"({"execute":"qmp_capabilities"}{"execute":"quit")"));
  }
  EXPECT_EQ(Run("query-status", "2:")["return"]["running"], json::Value(true));
}

class GoQemuTest : public ClientTest {};

TEST_F(GoQemuTest, BannerThenOneReplyThenCommandsWithoutId) {
  Wire wire = Connect();
  const json::Value banner = Message(wire);
  EXPECT_TRUE(banner["QMP"]["version"]["qemu"]["major"].is_integer());
  EXPECT_TRUE(banner["QMP"]["version"]["package"].is_string());
  EXPECT_TRUE(wire.Send(R"({"execute":"qmp_capabilities"})"));
  EXPECT_EQ(wire.ReadTo("\n").value_or(""), "{\"return\": {}}\r\n");
  // It scans lines, of 64 KiB at most, and reads errors as a map of strings.
  EXPECT_TRUE(wire.Send(R"({"execute":"query-commands"})"));
  EXPECT_LT(wire.ReadTo("\n").value_or(std::string(1 << 16, ' ')).size(), size_t{1} << 16);
  EXPECT_TRUE(wire.Send(R"({"execute":"query-pci"})"));
  EXPECT_LT(wire.ReadTo("\n").value_or(std::string(1 << 16, ' ')).size(), size_t{1} << 16);
  EXPECT_REFUSED(Ask(wire, R"({"execute":"query-none"})"), "CommandNotFound",
                 "The command query-none has not been found");
}

// All but the schema, which is longer in QEMU, too.
TEST_F(GoQemuTest, AnswersToQueriesFitALine) {
  Wire wire = Connect();
  EXPECT_TRUE(Message(wire)["QMP"].is_object());
  EXPECT_DONE(Ask(wire, R"({"execute":"qmp_capabilities"})"));
  const json::Value commands = Ask(wire, R"({"execute":"query-commands"})")["return"];
  ASSERT_NE(commands.AsArray(), nullptr);
  int queries = 0;
  for (const json::Value& row : *commands.AsArray()) {
    const std::string& name = *row["name"].AsString();
    if (!name.starts_with("query-") || name == "query-qmp-schema") continue;
    ++queries;
    EXPECT_TRUE(wire.Send(R"({"execute":")" + name + "\"}"));
    EXPECT_LT(wire.ReadTo("\n").value_or(std::string(1 << 16, ' ')).size(), size_t{1} << 16)
        << name;
  }
  EXPECT_GE(queries, 20);
}

TEST_F(GoQemuTest, EventsComeOnlyToWhoHasNegotiated) {
  Wire silent = Connect();
  EXPECT_TRUE(Message(silent)["QMP"].is_object());
  Wire wire = Connect();
  EXPECT_TRUE(Message(wire)["QMP"].is_object());
  EXPECT_DONE(Ask(wire, R"({"execute":"qmp_capabilities"})"));
  EXPECT_TRUE(wire.Send(R"({"execute":"stop"})"));
  EXPECT_TRUE(Event(wire, "STOP")["timestamp"]["microseconds"].is_integer());
  EXPECT_DONE(Message(wire));
  EXPECT_TRUE(silent.Send(R"({"execute":"qmp_capabilities"})"));
  EXPECT_DONE(Message(silent));
}

}  // namespace
}  // namespace davit::testing
