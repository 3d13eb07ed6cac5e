// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of the client library against a server end held by the test: what is on the wire is
// written in the test.
#include "clients/lib/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "schema/runtime/json/json.h"

namespace davit::client {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kGreeting =
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}, "
    "\"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n";

class ClientTest : public testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    server_.reset(ends[0]);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    Say(kGreeting);
    Result<std::unique_ptr<Client>> client = Client::Open(UniqueFd(ends[1]));
    ASSERT_TRUE(client) << client.error();
    client_ = std::move(*client);
  }
  void Say(std::string_view text) {
    ASSERT_EQ(write(server_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string Heard() {
    std::array<char, 4096> buffer;
    const ssize_t n = read(server_.get(), buffer.data(), buffer.size());
    return n > 0 ? std::string(buffer.data(), static_cast<size_t>(n)) : std::string();
  }

  UniqueFd server_;
  std::unique_ptr<Client> client_;
};

TEST_F(ClientTest, GreetingIsKept) {
  EXPECT_EQ(client_->greeting()["version"]["qemu"]["major"], json::Value(7));
}

TEST_F(ClientTest, ExecuteReturnsTheValueOfItsOwnReply) {
  Say("{\"error\": {\"class\": \"GenericError\", \"desc\": \"stray\"}}\r\n"
      "{\"return\": {\"running\": true}, \"id\": 1}\r\n");
  Result<json::Value> value = client_->Execute("query-status");
  ASSERT_TRUE(value) << value.error();
  EXPECT_EQ((*value)["running"], json::Value(true));
  EXPECT_EQ(Heard(), "{\"execute\": \"query-status\", \"id\": 1}\n");
}

TEST_F(ClientTest, AReplyThatComesTooLateIsNobodyElses) {
  EXPECT_FALSE(client_->Execute("query-status", {}, 0ms));
  Say("{\"return\": {\"late\": true}, \"id\": 1}\r\n{\"return\": {}, \"id\": 7}\r\n");
  Result<json::Value> message = client_->ReadMessage();
  ASSERT_TRUE(message) << message.error();
  EXPECT_EQ((*message)["id"], json::Value(7));
}

TEST_F(ClientTest, ErrorReplyKeepsClassAndText) {
  Say("{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'x' not found\"}, "
      "\"id\": 1}\r\n");
  Result<json::Value> value = client_->Execute("device_del", {{"id", "x"}});
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().code, ErrorCode::kDeviceNotFound);
  EXPECT_EQ(value.error().message, "Device 'x' not found");
}

TEST_F(ClientTest, EventsAreQueuedWhileAReplyIsAwaited) {
  Say("{\"timestamp\": {\"seconds\": 5, \"microseconds\": 7}, \"event\": \"STOP\"}\r\n"
      "{\"return\": {}, \"id\": 1}\r\n");
  ASSERT_TRUE(client_->Execute("stop"));
  Result<std::optional<Event>> event = client_->NextEvent(0ms);
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->name, "STOP");
  EXPECT_EQ((*event)->seconds, 5);
  EXPECT_TRUE((*event)->data.is_null());
}

TEST_F(ClientTest, NoEventIsNoError) {
  Result<std::optional<Event>> event = client_->NextEvent(0ms);
  ASSERT_TRUE(event);
  EXPECT_FALSE(*event);
}

TEST_F(ClientTest, WaitEventNamesWhatDidNotCome) {
  Say("{\"timestamp\": {\"seconds\": 5, \"microseconds\": 7}, \"event\": \"STOP\"}\r\n");
  Result<Event> event = client_->WaitEvent("RESUME", 1ms);
  ASSERT_FALSE(event);
  EXPECT_EQ(event.error().message, "no event RESUME within 1 ms");
}

TEST_F(ClientTest, LostConnectionIsAnError) {
  server_.reset();
  Result<json::Value> value = client_->Execute("stop");
  ASSERT_FALSE(value);
}

TEST_F(ClientTest, DeadlineIsAnError) {
  Result<json::Value> value = client_->Execute("stop", {}, 1ms);
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().message, "timed out waiting for the QMP server");
}

TEST_F(ClientTest, AfterAPartOfAMessageNothingMoreIsSent) {
  const auto first =
      client_->Execute("x", {{"y", json::Value(std::string(16 << 20, 'z'))}}, milliseconds(1));
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().message, "timed out waiting for the QMP server");
  const auto second = client_->Execute("query-status");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message,
            "a message was sent in part; the connection is of no use any more");
}

TEST_F(ClientTest, DescriptorsTravelWithTheCommand) {
  Say("{\"return\": {}, \"id\": 1}\r\n");
  UniqueFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(client_->Execute(Command{"getfd", {{"fdname", "f"}}, {null.get()}, false}));
  std::array<char, 256> data;
  alignas(cmsghdr) std::array<char, 64> control;
  iovec iov{data.data(), data.size()};
  msghdr msg{};
  msg.msg_iov = &iov;
  msg.msg_iovlen = 1;
  msg.msg_control = control.data();
  msg.msg_controllen = control.size();
  ASSERT_GT(recvmsg(server_.get(), &msg, MSG_CMSG_CLOEXEC), 0);
  cmsghdr* header = CMSG_FIRSTHDR(&msg);
  ASSERT_NE(header, nullptr);
  EXPECT_EQ(header->cmsg_type, SCM_RIGHTS);
  int received = -1;
  std::memcpy(&received, CMSG_DATA(header), sizeof received);
  UniqueFd owner(received);
  EXPECT_GE(received, 0);
}

TEST(AddressTest, FormsOfAnAddress) {
  EXPECT_EQ(ParseAddress("/tmp/a:1/x")->path, "/tmp/a:1/x");
  EXPECT_EQ(ParseAddress("unix:a:1")->path, "a:1");
  EXPECT_EQ(ParseAddress("localhost:4444")->ToString(), "localhost:4444");
  EXPECT_EQ(ParseAddress("tcp:[::1]:4444")->ToString(), "[::1]:4444");
  EXPECT_EQ(ParseAddress(":4444")->host, "localhost");
  EXPECT_FALSE(ParseAddress("tcp:localhost"));
  EXPECT_FALSE(ParseAddress(""));
}

TEST(AddressTest, MissingSocketIsNamedWithItsCause) {
  Result<UniqueFd> fd = Connect(*ParseAddress("/nonexistent/qmp.sock"));
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error().message,
            "Failed to connect to '/nonexistent/qmp.sock': No such file or directory");
}

TEST(AddressTest, TooLongPathIsNamed) {
  Result<UniqueFd> fd = Connect(*ParseAddress("/" + std::string(200, 'x')));
  ASSERT_FALSE(fd);
  EXPECT_NE(fd.error().message.find("too long"), std::string::npos);
}

}  // namespace
}  // namespace davit::client
