// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Order, out-of-band execution, backpressure, descriptors and events of one session.
#include "qmp/session/session.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "qmp/session/testing/fake_host.h"

namespace davit::qmp {
namespace {

using testing::FakeHost;

// A descriptor of a file of its own, and the text of a "take-fd" reply that got it.
UniqueFd NewFile(std::string& reply) {
  UniqueFd fd(memfd_create("test", MFD_CLOEXEC));
  struct stat status {};
  fstat(fd.get(), &status);
  reply = "{\"return\": {\"inode\": " + std::to_string(status.st_ino) + "}}\r\n";
  return fd;
}

template <typename... Fds>
std::vector<UniqueFd> List(Fds... fds) {
  std::vector<UniqueFd> list;
  (list.push_back(std::move(fds)), ...);
  return list;
}

constexpr char kNoFd[] =
    "{\"error\": {\"class\": \"GenericError\", \"desc\": \"No file descriptor supplied via "
    "SCM_RIGHTS\"}}\r\n";
constexpr char kTakeFd[] = "{\"execute\":\"take-fd\"}";
constexpr char kEmpty[] = "{\"return\": {}}\r\n";

std::string Cmd(std::string_view name, int id) {
  return "{\"execute\":\"" + std::string(name) + "\",\"id\":" + std::to_string(id) + "}";
}
std::string Oob(std::string_view name, int id) {
  return "{\"exec-oob\":\"" + std::string(name) + "\",\"id\":" + std::to_string(id) + "}";
}
std::string Empty(int id) { return "{\"return\": {}, \"id\": " + std::to_string(id) + "}\r\n"; }
std::string Held(int id) {
  return "{\"return\": {\"held\": true}, \"id\": " + std::to_string(id) + "}\r\n";
}

void ReleaseFirst(FakeHost& host) {
  qapi::Completion<json::Value> done = std::move(host.handlers.held.front());
  host.handlers.held.pop_front();
  done(json::Value(json::Object{{"held", true}}));
}

TEST(SessionTest, GreetsFirst) {
  FakeHost host;
  EXPECT_EQ(host.Take().substr(0, 19), "{\"QMP\": {\"version\":");
}

TEST(SessionTest, AnswersErrorsOfCommandsWithTheirClass) {
  FakeHost host;
  host.Negotiate();
  EXPECT_EQ(host.Ask(Cmd("fail", 3)),
            "{\"id\": 3, \"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'x' not "
            "found\"}}\r\n");
}

TEST(SessionTest, DoesNotAnswerACommandWithoutSuccessResponse) {
  FakeHost host;
  host.Negotiate();
  EXPECT_EQ(host.Ask(Cmd("silent", 1) + Cmd("query-name", 2)), Empty(2));
}

TEST(SessionTest, PrettySessionsGetPrettyReplies) {
  FakeHost host(true);
  host.Negotiate();
  EXPECT_EQ(host.Ask(Cmd("query-name", 1)),
            "{\r\n    \"return\": {\r\n    },\r\n    \"id\": 1\r\n}\r\n");
}

TEST(SessionTest, RefusesInPreconfigWhatIsNotAllowedThere) {
  FakeHost host;
  host.Negotiate();
  host.vm.preconfig = true;
  EXPECT_EQ(host.Ask(Cmd("early", 1)), Empty(1));
  EXPECT_EQ(host.Ask(Cmd("query-name", 2)),
            "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"The command "
            "'query-name' is permitted only after machine initialization has completed\"}}\r\n");
}

TEST(SessionTest, RefusesInARunStateWhereItIsNotLegal) {
  FakeHost host;
  host.Negotiate();
  EXPECT_EQ(host.Ask(Cmd("paused-only", 1)),
            "{\"id\": 1, \"error\": {\"class\": \"GenericError\", \"desc\": \"The command "
            "'paused-only' is not permitted in run state 'running'\"}}\r\n");
  host.vm.state = 0;
  EXPECT_EQ(host.Ask(Cmd("paused-only", 2)), Empty(2));
}

TEST(SessionTest, ADeferredCommandHoldsBackTheNext) {
  FakeHost host;
  host.Negotiate();
  EXPECT_EQ(host.Ask(Cmd("hold", 1) + Cmd("query-name", 2)), "");
  EXPECT_FALSE(host.session->wants_input());
  ReleaseFirst(host);
  EXPECT_EQ(host.ready, 1);
  EXPECT_EQ(host.Ask(""), Held(1) + Empty(2));
}

TEST(SessionTest, WithoutOobTheBytesAfterADeferredCommandStayWithTheHost) {
  FakeHost host;
  host.Negotiate();
  host.Feed(Cmd("hold", 1) + Cmd("query-name", 2));
  EXPECT_EQ(host.rest, Cmd("query-name", 2));
}

TEST(SessionTest, OutOfBandOvertakesADeferredCommand) {
  FakeHost host;
  host.Negotiate(true);
  EXPECT_EQ(host.Ask(Cmd("hold", 1) + Cmd("query-name", 2) + Oob("oob", 3)), Empty(3));
  ReleaseFirst(host);
  EXPECT_EQ(host.Ask(""), Held(1) + Empty(2));
}

TEST(SessionTest, OutOfBandCanCompleteWhatIsUnderWay) {
  FakeHost host;
  host.Negotiate(true);
  EXPECT_EQ(host.Ask(Cmd("hold", 1) + Cmd("query-name", 2) + Oob("release", 3)),
            Held(1) + Empty(3) + Empty(2));
  EXPECT_TRUE(host.session->idle());
}

TEST(SessionTest, QueuesEightCommandsWithOobAndThenNoMore) {
  FakeHost host;
  host.Negotiate(true);
  std::string input = Cmd("hold", 0);
  for (int i = 1; i <= 10; ++i) input += Cmd("query-name", i);
  host.Feed(input + Oob("oob", 99));
  EXPECT_EQ(host.rest, Cmd("query-name", 9) + Cmd("query-name", 10) + Oob("oob", 99));
  EXPECT_EQ(host.Take(), "");
  ReleaseFirst(host);
  std::string want = Held(0);
  for (int i = 1; i <= 10; ++i) want += Empty(i);
  EXPECT_EQ(host.Ask(""), want + Empty(99));
}

TEST(SessionTest, ErrorsKeepTheirPlaceInTheOrder) {
  FakeHost host;
  host.Negotiate(true);
  EXPECT_EQ(host.Ask(Cmd("hold", 1) + "@\n"), "");
  ReleaseFirst(host);
  EXPECT_EQ(host.Ask(""),
            Held(1) +
                "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error, stray "
                "'@'\"}}\r\n");
}

TEST(SessionTest, ACompletionAfterTheCloseIsHarmless) {
  FakeHost host;
  host.Negotiate();
  host.Feed(Cmd("hold", 1));
  host.session->Close();
  host.session.reset();
  ReleaseFirst(host);
  host.session = std::make_shared<Session>(host.dispatcher, host.events, host, 2, false);
}

TEST(SessionTest, TakesNothingWhileItsOutputIsNotRead) {
  FakeHost host;
  host.Negotiate();
  const std::string big =
      "{\"execute\":\"echo\",\"arguments\":{\"x\":\"" + std::string(100'000, 'x') + "\"}}";
  host.Feed(big + big + big + big + big);
  EXPECT_FALSE(host.session->wants_input());
  EXPECT_LT(host.session->output().size(), Session::kHighWater + 200'000);
  EXPECT_GT(host.rest.size(), big.size());
  // Half of it is sent: still nothing, until all is.
  host.session->output().resize(1000);
  host.session->OutputSent();
  EXPECT_FALSE(host.session->wants_input());
  host.Take();
  EXPECT_TRUE(host.session->wants_input());
}

TEST(SessionTest, OneReceiveTakesABoundedNumberOfMessages) {
  FakeHost host;
  host.Negotiate();
  std::string input;
  for (int i = 0; i < Session::kSlice + 1; ++i) input += "{}";
  EXPECT_EQ(host.session->Receive(input), input.size() - 2);
}

TEST(SessionTest, EventsWaitForNegotiation) {
  FakeHost host;
  host.Take();
  host.events.Emit({"STOP", {}, false});
  EXPECT_EQ(host.Take(), "");
  host.Negotiate();
  host.events.Emit({"STOP", {}, false});
  EXPECT_EQ(host.ready, 1);
  EXPECT_NE(host.Take().find("\"event\": \"STOP\"}"), std::string::npos);
}

TEST(SessionTest, AnEventOfAHandlerPrecedesItsReply) {
  FakeHost host;
  host.Negotiate();
  const std::string out = host.Ask(Cmd("stop", 1));
  EXPECT_LT(out.find("STOP"), out.find("return"));
  EXPECT_EQ(host.ready, 0);
}

TEST(SessionTest, AClientThatReadsNoEventsIsDropped) {
  FakeHost host;
  host.Negotiate();
  host.Feed("{\"execute\":\"emit\",\"arguments\":{\"count\":20000}}");
  EXPECT_TRUE(host.overflowed);
  EXPECT_FALSE(host.session->wants_events());
  EXPECT_FALSE(host.session->wants_input());
  EXPECT_LT(host.session->output().size(), 1000u);
}

TEST(SessionTest, ALargeReplyDoesNotCountAsEvents) {
  FakeHost host;
  host.Negotiate();
  host.Feed("{\"execute\":\"echo\",\"arguments\":{\"x\":\"" + std::string(3 << 20, 'x') + "\"}}");
  host.events.Emit({"STOP", {}, false});
  EXPECT_FALSE(host.overflowed);
}

TEST(SessionTest, ADescriptorComesWithItsCommand) {
  FakeHost host;
  host.Negotiate();
  std::string reply;
  EXPECT_EQ(host.Ask(kTakeFd, List(NewFile(reply))), reply);
  EXPECT_EQ(host.Ask(kTakeFd), kNoFd);
}

TEST(SessionTest, ADescriptorComesAheadOnALoneSpace) {
  FakeHost host;
  host.Negotiate();
  std::string reply;
  EXPECT_EQ(host.Ask(" ", List(NewFile(reply))), "");
  EXPECT_EQ(host.Ask(kTakeFd), reply);
}

TEST(SessionTest, DescriptorsSentAheadAreTakenInTheirOrder) {
  FakeHost host;
  host.Negotiate();
  std::string a;
  std::string b;
  host.Ask(" ", List(NewFile(a)));
  host.Ask(" ", List(NewFile(b)));
  EXPECT_EQ(host.Ask(kTakeFd), a);
  EXPECT_EQ(host.Ask(kTakeFd), b);
}

TEST(SessionTest, TwoDescriptorsOfOneMessageServeTwoCommands) {
  FakeHost host;
  host.Negotiate();
  std::string a;
  std::string b;
  UniqueFd first = NewFile(a);
  UniqueFd second = NewFile(b);
  EXPECT_EQ(host.Ask(std::string(kTakeFd) + kTakeFd, List(std::move(first), std::move(second))),
            a + b);
}

TEST(SessionTest, ADescriptorLeftByAFailedCommandIsNotTakenForOnesOwn) {
  FakeHost host;
  host.Negotiate();
  std::string stale;
  std::string own;
  host.Ask("{\"execute\":\"nope\"}", List(NewFile(stale)));
  EXPECT_EQ(host.Ask(kTakeFd, List(NewFile(own))), own);
  EXPECT_EQ(host.Ask(kTakeFd), kNoFd);
}

TEST(SessionTest, ACommandDoesNotTakeADescriptorOfALaterOne) {
  FakeHost host;
  host.Negotiate(true);
  std::string reply;
  host.Feed(Cmd("hold", 1));
  host.Feed(kTakeFd);
  host.Feed(kTakeFd, List(NewFile(reply)));
  ReleaseFirst(host);
  EXPECT_EQ(host.Ask(""), Held(1) + kNoFd + reply);
}

TEST(SessionTest, ADescriptorInTheFirstPieceOfACommandIsItsOwn) {
  FakeHost host;
  host.Negotiate();
  std::string stale;
  std::string own;
  host.Ask(" ", List(NewFile(stale)));
  host.Ask("{\"exec", List(NewFile(own)));
  EXPECT_EQ(host.Ask("ute\":\"take-fd\"}"), own);
}

TEST(SessionTest, QueuedDescriptorsAreBounded) {
  FakeHost host;
  host.Negotiate();
  ReceivedFds fds;
  for (size_t i = 0; i < ReceivedFds::kMaxQueued + 10; ++i) {
    fds.Add(List(UniqueFd(memfd_create("test", MFD_CLOEXEC))));
  }
  EXPECT_EQ(fds.size(), ReceivedFds::kMaxQueued);
}

TEST(SessionTest, NamedDescriptorsBelongToTheSession) {
  FakeHost host;
  host.Negotiate();
  std::string unused;
  EXPECT_EQ(
      host.Ask("{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"a\"}}", List(NewFile(unused))),
      kEmpty);
  EXPECT_EQ(host.session->named_fds().size(), 1u);
  EXPECT_EQ(host.Ask("{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"a\"}}"), kEmpty);
  EXPECT_NE(host.Ask("{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"a\"}}")
                .find("File descriptor named 'a' not found"),
            std::string::npos);
}

}  // namespace
}  // namespace davit::qmp
