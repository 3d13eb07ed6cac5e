// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of shell.h: lines in, wire and printed text out. The server's answers are written ahead,
// which a stream socket allows.
#include "clients/qmp-shell/shell.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <sstream>

namespace davit::client {
namespace {

class ShellTest : public testing::Test {
 protected:
  void Start(ShellOptions options) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    server_.reset(ends[0]);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    Say(R"({"QMP": {"version": {}, "capabilities": []}})");
    shell_ = std::make_unique<Shell>(Client::Open(UniqueFd(ends[1])).value(), options, out_);
  }
  void Say(std::string text) {
    text += "\r\n";
    ASSERT_EQ(write(server_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string Heard() {
    std::array<char, 4096> buffer;
    const ssize_t n = read(server_.get(), buffer.data(), buffer.size());
    return n > 0 ? std::string(buffer.data(), static_cast<size_t>(n)) : std::string();
  }

  UniqueFd server_;
  std::ostringstream out_;
  std::unique_ptr<Shell> shell_;
};

TEST_F(ShellTest, CommandPrintsItsReturnAndTheEventsThatCame) {
  Start({});
  Say(R"({"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"})");
  Say(R"({"return": {}, "id": 1})");
  EXPECT_EQ(shell_->Execute("stop"), Shell::Outcome::kOk);
  // In the order in which they came.
  EXPECT_EQ(out_.str(),
            "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"STOP\"}\n"
            "{\"return\": {}}\n");
}

TEST_F(ShellTest, ErrorReplyIsPrintedAndFails) {
  Start({});
  Say(R"({"error": {"class": "CommandNotFound", "desc": "no"}, "id": 1})");
  EXPECT_EQ(shell_->Execute("stpo"), Shell::Outcome::kFailed);
  EXPECT_EQ(out_.str(), "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}\n");
}

TEST_F(ShellTest, VerboseShowsWhatIsSent) {
  Start({.verbose = true});
  Say(R"({"return": {}, "id": 1})");
  shell_->Execute("cont");
  EXPECT_EQ(out_.str(), "{\"execute\": \"cont\"}\n{\"return\": {}}\n");
}

TEST_F(ShellTest, VerboseShowsWhatAHumanCommandBecomes) {
  Start({.hmp = true, .verbose = true});
  Say(R"({"return": "kvm support: enabled\r\n", "id": 1})");
  shell_->Execute("info kvm");
  EXPECT_EQ(out_.str(),
            "{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": "
            "\"info kvm\"}}\nkvm support: enabled\r\n");
}

TEST_F(ShellTest, RawMessagesGoAsTheyAre) {
  Start({});
  Say(R"({"return": {}, "id": "me"})");
  EXPECT_EQ(shell_->Execute(R"({"execute": "stop", "id": "me"})"), Shell::Outcome::kOk);
  EXPECT_EQ(Heard(), "{\"execute\": \"stop\", \"id\": \"me\"}\n");
}

TEST_F(ShellTest, HelpOfACommandHasItsDocumentation) {
  ShellOptions options;
  options.documentation = [](std::string_view name) {
    return name == "stop" ? std::string_view("Stops it.\n") : std::string_view();
  };
  Start(options);
  Say(R"({"return": [{"name": "stop", "meta-type": "command", "arg-type": "0"}, )"
      R"({"name": "cont", "meta-type": "command", "arg-type": "0"}, {"name": "0", )"
      R"("meta-type": "object", "members": [{"name": "at", "type": "int"}]}], "id": 1})");
  shell_->LearnCommands();
  EXPECT_EQ(shell_->Execute("help stop"), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->Execute("help cont"), Shell::Outcome::kOk);
  EXPECT_EQ(out_.str(), "stop at=\n\nStops it.\ncont at=\n");
  EXPECT_EQ(shell_->Execute("help nothing"), Shell::Outcome::kFailed);
}

TEST_F(ShellTest, HmpLinesTravelWithTheChosenCpu) {
  Start({.hmp = true});
  Say(R"({"return": "VM status: running\r\n", "id": 1})");
  EXPECT_EQ(shell_->Execute("cpu 1"), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->Execute("info status"), Shell::Outcome::kOk);
  EXPECT_EQ(out_.str(), "VM status: running\r\n");
  EXPECT_EQ(Heard(),
            "{\"execute\": \"human-monitor-command\", \"arguments\": {\"command-line\": "
            "\"info status\", \"cpu-index\": 1}, \"id\": 1}\n");
}

TEST_F(ShellTest, HmpLearnsItsCommandsFromTheHelp) {
  Start({.hmp = true});
  Say(R"({"return": "cont|c  -- go on\r\nstop|s  -- stop\r\n", "id": 1})");
  Say(R"({"return": "info status  -- show it\r\n", "id": 2})");
  shell_->LearnCommands();
  EXPECT_EQ(shell_->Complete("co").candidates, std::vector<std::string>{"cont "});
  EXPECT_EQ(shell_->Complete("info s").candidates, std::vector<std::string>{"status "});
}

TEST_F(ShellTest, WaitEventFailsWhenItDoesNotCome) {
  Start({});
  Say(R"({"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"})");
  EXPECT_EQ(shell_->Execute("wait-event STOP 0"), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->Execute("wait-event STOP 0"), Shell::Outcome::kFailed);
}

TEST_F(ShellTest, WaitEventRefusesATimeThatNoClockCounts) {
  Start({});
  Say(R"({"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"})");
  EXPECT_EQ(shell_->Execute("wait-event STOP 9223372036854775807"), Shell::Outcome::kFailed);
  EXPECT_NE(out_.str().find("usage: wait-event"), std::string::npos) << out_.str();
  EXPECT_EQ(shell_->Execute("wait-event STOP 2147483647"), Shell::Outcome::kOk);
}

TEST_F(ShellTest, WaitEventTakesOneThatCameWithTheLastCommand) {
  Start({});
  Say(R"({"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"})");
  Say(R"({"return": {}, "id": 1})");
  shell_->Execute("stop");
  EXPECT_EQ(shell_->Execute("wait-event STOP 0"), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->Execute("wait-event STOP 0"), Shell::Outcome::kFailed);
}

TEST_F(ShellTest, EndOfTheServerIsSeenWithItsLastEvents) {
  Start({});
  Say(R"({"return": {}, "id": 1})");
  Say(R"({"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN"})");
  server_.reset();
  EXPECT_NE(shell_->Execute("# nothing"), Shell::Outcome::kLost);
  EXPECT_EQ(shell_->PrintEvents(), Shell::Outcome::kLost);
  EXPECT_NE(out_.str().find("SHUTDOWN"), std::string::npos);
}

TEST_F(ShellTest, CommandThatFindsTheServerGoneHasFailed) {
  Start({});
  server_.reset();
  EXPECT_EQ(shell_->Execute("cont"), Shell::Outcome::kFailed);
  EXPECT_NE(out_.str().find("\"error\""), std::string::npos);
  EXPECT_EQ(shell_->PrintEvents(), Shell::Outcome::kLost);
}

TEST_F(ShellTest, WaitForTakesOneThatCameWithTheLastCommandAndFailsAtTheEnd) {
  Start({});
  Say(R"({"event": "STOP"})");
  Say(R"({"return": {}, "id": 1})");
  shell_->Execute("stop");
  EXPECT_EQ(shell_->WaitFor("STOP"), Shell::Outcome::kOk);
  Say(R"({"event": "RESUME"})");
  Say(R"({"event": "SHUTDOWN"})");
  EXPECT_EQ(shell_->WaitFor("SHUTDOWN"), Shell::Outcome::kOk);
  server_.reset();
  EXPECT_EQ(shell_->WaitFor("RESET"), Shell::Outcome::kFailed);
}

TEST_F(ShellTest, LinesOfATransactionBecomeOneCommand) {
  Start({});
  Say(R"({"return": {}, "id": 1})");
  EXPECT_EQ(shell_->Execute("transaction("), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->prompt(), "transaction> ");
  EXPECT_EQ(shell_->Execute("blockdev-snapshot node=a overlay=b"), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->Execute("abort"), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->Execute(")"), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->prompt(), "(davit) ");
  EXPECT_EQ(Heard(),
            "{\"execute\": \"transaction\", \"arguments\": {\"actions\": [{\"type\": "
            "\"blockdev-snapshot\", \"data\": {\"node\": \"a\", \"overlay\": \"b\"}}, "
            "{\"type\": \"abort\", \"data\": {}}]}, \"id\": 1}\n");
}

TEST_F(ShellTest, ATransactionMayBeOneLineAndItsErrorIsTheServers) {
  Start({});
  Say(R"({"error": {"class": "CommandNotFound", "desc": "no"}, "id": 1})");
  EXPECT_EQ(shell_->Execute("transaction( blockdev-backup {'device': 'd', 'speed': 5} )"),
            Shell::Outcome::kFailed);
  EXPECT_EQ(Heard(),
            "{\"execute\": \"transaction\", \"arguments\": {\"actions\": [{\"type\": "
            "\"blockdev-backup\", \"data\": {\"device\": \"d\", \"speed\": 5}}]}, "
            "\"id\": 1}\n");
  EXPECT_EQ(out_.str(), "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}\n");
}

TEST_F(ShellTest, AWrongActionEndsTheTransactionAndSendsNothing) {
  Start({});
  EXPECT_EQ(shell_->Execute("transaction("), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->Execute("abort nonsense"), Shell::Outcome::kFailed);
  EXPECT_EQ(shell_->prompt(), "(davit) ");
  EXPECT_EQ(shell_->EndOfScript(), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->Execute("transaction( abort"), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->EndOfScript(), Shell::Outcome::kFailed);
}

TEST_F(ShellTest, CommentsAndBlanksDoNothing) {
  Start({});
  EXPECT_EQ(shell_->Execute("  # stop"), Shell::Outcome::kOk);
  EXPECT_EQ(shell_->Execute(""), Shell::Outcome::kOk);
  EXPECT_EQ(out_.str(), "");
}

TEST_F(ShellTest, UnclosedQuoteIsRefusedHere) {
  Start({});
  EXPECT_EQ(shell_->Execute("getfd fdname='x"), Shell::Outcome::kFailed);
  EXPECT_NE(out_.str().find("not closed"), std::string::npos);
}

}  // namespace
}  // namespace davit::client
