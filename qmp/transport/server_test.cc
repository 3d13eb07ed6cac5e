// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The server over real sockets, with hostile and with ordinary clients. Clients block in their own
// thread or are polled while the io_context runs here.
#include "qmp/transport/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <boost/asio/post.hpp>
#include <cstddef>
#include <cstdlib>
#include <fstream>

#include "qmp/session/testing/fake_vm.h"

namespace davit::qmp {
namespace {

using testing::FakeCommands;
using testing::FakeHandlers;
using testing::FakeVm;

constexpr char kNegotiate[] = "{\"execute\":\"qmp_capabilities\"}";
constexpr char kQuery[] = "{\"execute\":\"query-name\"}";
constexpr char kEmpty[] = "{\"return\": {}}\r\n";

class ServerTest : public ::testing::Test {
 protected:
  ServerTest() : commands_(FakeCommands(), handlers_) {
    char name[] = "/tmp/qmpXXXXXX";
    folder_ = mkdtemp(name);
    server_.emplace(io_, ServerConfig{7, 2, 0, "test"}, commands_, vm_);
    handlers_.events = &server_->events();
    handlers_.post = [this](std::function<void()> fn) { boost::asio::post(io_, std::move(fn)); };
  }
  ~ServerTest() override {
    server_.reset();
    io_.restart();
    io_.poll();
    std::remove(Path().c_str());
    std::remove(folder_.c_str());
  }

  std::string Path() const { return folder_ + "/s"; }
  MonitorSpec Unix() const {
    MonitorSpec spec;
    spec.label = "m";
    spec.path = Path();
    return spec;
  }
  MonitorSpec Tcp(std::string host) const {
    MonitorSpec spec;
    spec.kind = MonitorSpec::Kind::kTcp;
    spec.label = "t";
    spec.host = std::move(host);
    spec.port = "0";
    return spec;
  }

  // Lets the server do what there is to do.
  void Spin() {
    io_.restart();
    while (io_.poll() != 0) {
    }
  }
  UniqueFd Connect() {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s", Path().c_str());
    EXPECT_EQ(
        connect(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address), 0);
    return fd;
  }
  // Sends all, running the server whenever the socket is full.
  void Send(const UniqueFd& fd, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
      Spin();
      if (n < 0 && errno != EAGAIN) return;
    }
  }
  void SendWithFd(const UniqueFd& fd, std::string_view bytes, int passed) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec data{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &passed, sizeof passed);
    EXPECT_EQ(sendmsg(fd.get(), &message, 0), static_cast<ssize_t>(bytes.size()));
  }
  // What has arrived.
  std::string Read(const UniqueFd& fd) {
    Spin();
    std::string out;
    std::vector<char> buffer(1 << 20);
    while (true) {
      const ssize_t n = recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n == 0) return out + "<end>";
      if (n < 0) return out;
      out.append(buffer.data(), static_cast<size_t>(n));
      Spin();
    }
  }
  std::string Ask(const UniqueFd& fd, std::string_view bytes) {
    Send(fd, bytes);
    return Read(fd);
  }
  UniqueFd Negotiated() {
    UniqueFd fd = Connect();
    EXPECT_EQ(Read(fd).substr(0, 7), "{\"QMP\":");
    EXPECT_EQ(Ask(fd, kNegotiate), kEmpty);
    return fd;
  }

  boost::asio::io_context io_;
  FakeVm vm_;
  FakeHandlers handlers_;
  CommandTable commands_;
  std::string folder_;
  std::optional<Server> server_;
};

long ResidentKiB() {
  std::ifstream file("/proc/self/statm");
  long size = 0;
  long resident = 0;
  file >> size >> resident;
  return resident * 4;
}

TEST_F(ServerTest, SocketIsPrivateWhateverTheUmaskAndGoesAtTheEnd) {
  const mode_t old = umask(0);
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  umask(old);
  struct stat status {};
  ASSERT_EQ(stat(Path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  server_->Shutdown();
  EXPECT_NE(stat(Path().c_str(), &status), 0);
}

TEST_F(ServerTest, ASocketOfAnotherServerIsNotUnlinked) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  boost::asio::io_context io;
  Server other(io, {}, commands_, vm_);
  ASSERT_TRUE(other.AddMonitor(Unix()));  // takes the place, as QEMU does
  server_->Shutdown();
  struct stat status {};
  EXPECT_EQ(stat(Path().c_str(), &status), 0);
}

TEST_F(ServerTest, AFileInTheWayIsLeftAlone) {
  std::ofstream(Path()) << "precious";
  const Status status = server_->AddMonitor(Unix());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "Failed to bind socket to " + Path() + ": Address already in use");
  std::string text;
  std::ifstream(Path()) >> text;
  EXPECT_EQ(text, "precious");
}

// Two names: a loose one has NULs up to the end of the address.
TEST_F(ServerTest, AnAbstractNameHasNoFile) {
  for (const bool tight : {true, false}) {
    SCOPED_TRACE(tight);
    MonitorSpec spec = Unix();
    spec.label = tight ? "tight" : "loose";
    spec.abstract = true;
    spec.tight = tight;
    ASSERT_TRUE(server_->AddMonitor(spec));
    EXPECT_EQ(server_->Monitors().back().filename, "disconnected:unix:" + Path() + ",abstract=on" +
                                                       (tight ? ",tight=on" : "") + ",server=on");
    struct stat status {};
    EXPECT_NE(lstat(Path().c_str(), &status), 0);

    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", Path().c_str());
    const size_t length =
        tight ? offsetof(sockaddr_un, sun_path) + 1 + Path().size() : sizeof address;
    ASSERT_EQ(connect(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&address)),
                      static_cast<socklen_t>(length)),
              0);
    EXPECT_EQ(Read(fd).substr(0, 7), "{\"QMP\":");

    boost::asio::io_context io;
    Server other(io, {}, commands_, vm_);
    EXPECT_EQ(other.AddMonitor(spec).error().message,
              "Failed to bind socket to " + Path() + ": Address already in use");
    spec.server = false;
    EXPECT_TRUE(other.AddMonitor(spec));
    EXPECT_EQ(other.client_count(), 1u);
  }
}

TEST_F(ServerTest, ErrorsOfAddressesAreQemus) {
  MonitorSpec spec = Unix();
  spec.path = "/nonexistent/x";
  EXPECT_EQ(server_->AddMonitor(spec).error().message,
            "Failed to bind socket to /nonexistent/x: No such file or directory");
  spec.server = false;
  EXPECT_EQ(server_->AddMonitor(spec).error().message,
            "Failed to connect to '/nonexistent/x': No such file or directory");
  spec.path = std::string(200, 'x');
  EXPECT_NE(server_->AddMonitor(spec).error().message.find("is too long"), std::string::npos);
  spec.kind = MonitorSpec::Kind::kFd;
  spec.fd = 9999;
  EXPECT_EQ(server_->AddMonitor(spec).error().message, "File descriptor '9999' is not a socket");
}

TEST_F(ServerTest, TcpOffLoopbackNeedsToBeAskedFor) {
  EXPECT_TRUE(server_->AddMonitor(Tcp("127.0.0.1")));
  EXPECT_NE(server_->AddMonitor(Tcp("")).error().message.find("allow-remote=on"),
            std::string::npos);
  EXPECT_FALSE(server_->AddMonitor(Tcp("0.0.0.0")));
  MonitorSpec spec = Tcp("0.0.0.0");
  spec.allow_remote = true;
  EXPECT_TRUE(server_->AddMonitor(spec));
}

TEST_F(ServerTest, ServesTcp) {
  ASSERT_TRUE(server_->AddMonitor(Tcp("127.0.0.1")));
  const std::string name = server_->Monitors()[0].filename;
  EXPECT_EQ(name.substr(0, 27), "disconnected:tcp:127.0.0.1:");
  UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(std::stoi(name.substr(27))));
  ASSERT_EQ(connect(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address),
            0);
  EXPECT_EQ(Read(fd).substr(0, 7), "{\"QMP\":");
  EXPECT_EQ(Ask(fd, kNegotiate), kEmpty);
}

TEST_F(ServerTest, AdoptsAnInheritedListeningSocket) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  server_->Shutdown();
  server_.emplace(io_, ServerConfig{}, commands_, vm_);
  UniqueFd listening(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", Path().c_str());
  ASSERT_EQ(
      bind(listening.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address),
      0);
  ASSERT_EQ(listen(listening.get(), 5), 0);
  MonitorSpec spec;
  spec.kind = MonitorSpec::Kind::kFd;
  spec.fd = listening.release();
  ASSERT_TRUE(server_->AddMonitor(spec));
  Negotiated();
  struct stat status {};
  server_->Shutdown();
  EXPECT_EQ(stat(Path().c_str(), &status), 0);  // not ours to unlink
}

TEST_F(ServerTest, ConnectsToAListeningClient) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  boost::asio::io_context io;
  Server caller(io, {}, commands_, vm_);
  MonitorSpec spec = Unix();
  spec.server = false;
  EXPECT_TRUE(caller.AddMonitor(spec));
  EXPECT_EQ(caller.client_count(), 1u);
}

TEST_F(ServerTest, WaitReturnsWithTheFirstClient) {
  MonitorSpec spec = Unix();
  UniqueFd listening(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", Path().c_str());
  ASSERT_EQ(
      bind(listening.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address),
      0);
  ASSERT_EQ(listen(listening.get(), 5), 0);
  const UniqueFd client = Connect();  // sits in the backlog
  spec.kind = MonitorSpec::Kind::kFd;
  spec.fd = listening.release();
  spec.wait = true;
  ASSERT_TRUE(server_->AddMonitor(spec));
  EXPECT_EQ(server_->client_count(), 1u);
  EXPECT_EQ(Read(client).substr(0, 7), "{\"QMP\":");
}

TEST_F(ServerTest, WaitingClientsAreGreetedWithoutTheLoopAndReadWithIt) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd client = Connect();
  ASSERT_GT(send(client.get(), kNegotiate, sizeof kNegotiate - 1, MSG_NOSIGNAL), 0);
  server_->GreetWaitingClients();
  char buffer[512];
  const ssize_t n = recv(client.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  ASSERT_GT(n, 0);
  const std::string_view greeting(buffer, static_cast<size_t>(n));
  EXPECT_TRUE(greeting.starts_with("{\"QMP\":") && greeting.ends_with("}\r\n")) << greeting;
  EXPECT_EQ(recv(client.get(), buffer, sizeof buffer, MSG_DONTWAIT), -1);
  EXPECT_EQ(Read(client), kEmpty);
}

TEST_F(ServerTest, StreamOfPipes) {
  int in[2];
  int out[2];
  ASSERT_EQ(pipe2(in, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
  UniqueFd to(in[1]);
  const UniqueFd from(out[0]);
  ASSERT_TRUE(server_->AddStream(UniqueFd(in[0]), UniqueFd(out[1]), false, "stdio"));
  const std::string input = std::string(kNegotiate) + kQuery;
  ASSERT_EQ(write(to.get(), input.data(), input.size()), static_cast<ssize_t>(input.size()));
  to.reset();
  Spin();
  char buffer[4096];
  const ssize_t n = read(from.get(), buffer, sizeof buffer);
  ASSERT_GT(n, 0);
  const std::string text(buffer, static_cast<size_t>(n));
  EXPECT_NE(text.find(std::string(kEmpty) + kEmpty), std::string::npos);
  // The input has ended, the output has not: events still go there.
  server_->events().Emit({"STOP", {}, false});
  Spin();
  EXPECT_GT(read(from.get(), buffer, sizeof buffer), 0);
}

TEST_F(ServerTest, InputFromARegularFile) {
  std::ofstream(Path()) << kNegotiate << kQuery;
  int out[2];
  ASSERT_EQ(pipe2(out, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd from(out[0]);
  ASSERT_TRUE(server_->AddStream(UniqueFd(open(Path().c_str(), O_RDONLY)), UniqueFd(out[1]), false,
                                 "stdio"));
  Spin();
  char buffer[4096];
  const ssize_t n = read(from.get(), buffer, sizeof buffer);
  ASSERT_GT(n, 0);
  EXPECT_NE(std::string(buffer, static_cast<size_t>(n)).find(std::string(kEmpty) + kEmpty),
            std::string::npos);
}

TEST_F(ServerTest, SeveralMonitorsWithTwoHundredClientsEach) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(Negotiated());
  EXPECT_EQ(server_->client_count(), 200u);
  for (const UniqueFd& client : clients) EXPECT_EQ(Ask(client, kQuery), kEmpty);
  server_->events().Emit({"STOP", {}, false});
  for (const UniqueFd& client : clients) {
    EXPECT_NE(Read(client).find("\"STOP\""), std::string::npos);
  }
  clients.clear();
  Spin();
  EXPECT_EQ(server_->client_count(), 0u);
}

TEST_F(ServerTest, GarbageIsAnsweredAndTheSessionLives) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  EXPECT_NE(Ask(fd, "\xff\xff garbage \x01 ]]] ").find("JSON parse error"), std::string::npos);
  EXPECT_EQ(Ask(fd, std::string("\n") + kQuery).find(kEmpty), 0u);
}

TEST_F(ServerTest, ALineOfTenMegabytesIsAnswered) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  const std::string out =
      Ask(fd, "{\"execute\":\"nope\",\"x\":\"" + std::string(10 << 20, 'x') + "\"}" + kQuery);
  EXPECT_EQ(out,
            "{\"error\": {\"class\": \"GenericError\", \"desc\": \"QMP input member 'x' is "
            "unexpected\"}}\r\n" +
                std::string(kEmpty));
}

TEST_F(ServerTest, NestingTwoThousandDeepIsRefused) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  const std::string out = Ask(fd, std::string(2000, '[') + "\xff" + kQuery);
  EXPECT_NE(out.find("JSON nesting depth limit exceeded"), std::string::npos);
  EXPECT_EQ(out.substr(out.size() - 16), kEmpty);
}

TEST_F(ServerTest, HalfACommandThenCloseHarmsNobody) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  UniqueFd half = Negotiated();
  const UniqueFd other = Negotiated();
  Send(half, "{\"execute\":\"que");
  half.reset();
  EXPECT_EQ(Ask(other, kQuery), kEmpty);
  EXPECT_EQ(server_->client_count(), 1u);
}

TEST_F(ServerTest, CommandsSentBeforeTheCloseOfTheSendingSideAreAnswered) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  ASSERT_EQ(send(fd.get(), kQuery, sizeof kQuery - 1, 0), static_cast<ssize_t>(sizeof kQuery - 1));
  shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(Read(fd), std::string(kEmpty) + "<end>");
}

TEST_F(ServerTest, ADeferredCommandIsAnsweredAfterTheSendingSideClosed) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  Send(fd, "{\"execute\":\"hold\"}");
  shutdown(fd.get(), SHUT_WR);
  EXPECT_EQ(Read(fd), "");
  handlers_.held.front()(json::Value(json::Object()));
  EXPECT_EQ(Read(fd), std::string(kEmpty) + "<end>");
}

TEST_F(ServerTest, ManyCommandsAtOnceAreAllAnswered) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  std::string input;
  for (int i = 0; i < 5000; ++i) input += kQuery;
  std::string out = Ask(fd, input);
  EXPECT_EQ(out.size(), 5000 * (sizeof kEmpty - 1));
}

TEST_F(ServerTest, AClientThatDoesNotReadRepliesIsNotReadFrom) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  const UniqueFd other = Negotiated();
  const std::string big =
      "{\"execute\":\"echo\",\"arguments\":{\"x\":\"" + std::string(50'000, 'x') + "\"}}";
  const long before = ResidentKiB();
  size_t sent = 0;
  for (int i = 0; i < 2000; ++i) {
    const ssize_t n = send(fd.get(), big.data(), big.size(), MSG_NOSIGNAL);
    Spin();
    if (n > 0) sent += static_cast<size_t>(n);
  }
  EXPECT_LT(sent, 4u << 20);
  EXPECT_LT(ResidentKiB() - before, 8 * 1024);
  EXPECT_EQ(Ask(other, kQuery), kEmpty);
  EXPECT_EQ(server_->client_count(), 2u);  // it may still read
}

TEST_F(ServerTest, AClientThatReadsNoEventsOfAFloodIsDroppedAndMemoryStays) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd silent = Negotiated();
  const UniqueFd other = Negotiated();
  const long before = ResidentKiB();
  for (int i = 0; i < 100'000; ++i) {
    server_->events().Emit({"RESET", json::Object{{"guest", false}, {"n", i}}, true});
    if (i % 100 == 0) {
      EXPECT_NE(Read(other), "");
    }
  }
  EXPECT_LT(ResidentKiB() - before, 8 * 1024);
  EXPECT_EQ(server_->client_count(), 1u);
  EXPECT_NE(Ask(other, kQuery).find(kEmpty), std::string::npos);
}

TEST_F(ServerTest, PassesDescriptorsWithACommandAndOnALoneSpace) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  const UniqueFd a(memfd_create("a", MFD_CLOEXEC));
  const UniqueFd b(memfd_create("b", MFD_CLOEXEC));
  const auto reply = [](const UniqueFd& file) {
    struct stat status {};
    fstat(file.get(), &status);
    return "{\"return\": {\"inode\": " + std::to_string(status.st_ino) + "}}\r\n";
  };
  SendWithFd(fd, "{\"execute\":\"take-fd\"}", a.get());
  EXPECT_EQ(Read(fd), reply(a));
  SendWithFd(fd, " ", b.get());
  EXPECT_EQ(Ask(fd, "{\"execute\":\"take-fd\"}"), reply(b));
  // Three commands at once, each with its own.
  SendWithFd(fd, "{\"execute\":\"take-fd\"}", a.get());
  SendWithFd(fd, "{\"execute\":\"take-fd\"}", b.get());
  SendWithFd(fd, "{\"execute\":\"take-fd\"}", a.get());
  EXPECT_EQ(Read(fd), reply(a) + reply(b) + reply(a));
}

TEST_F(ServerTest, OutOfBandOvertakesADeferredCommand) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Connect();
  Read(fd);
  Ask(fd, R"({"execute":"qmp_capabilities","arguments":{"enable":["oob"]}})");
  EXPECT_EQ(Ask(fd, R"({"execute":"hold","id":1}{"exec-oob":"oob","id":2})"),
            "{\"return\": {}, \"id\": 2}\r\n");
  handlers_.held.front()(json::Value(json::Object()));
  EXPECT_EQ(Read(fd), "{\"return\": {}, \"id\": 1}\r\n");
}

TEST_F(ServerTest, WhatACommandAsksOfTheLoopPrecedesItsReply) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  const std::string out = Ask(fd, R"({"execute":"reset"}{"execute":"query-name","id":1})");
  ASSERT_NE(out.find("\"RESET\"}"), std::string::npos);
  EXPECT_EQ(out.substr(out.find("\r\n") + 2),
            std::string(kEmpty) + "{\"return\": {}, \"id\": 1}\r\n");
}

TEST_F(ServerTest, ShutdownDeliversTheReplyOfTheCommandThatEndsTheProcess) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  handlers_.post = [this](std::function<void()> fn) {
    boost::asio::post(io_, [this, fn = std::move(fn)] {
      fn();
      io_.stop();
    });
  };
  ASSERT_GT(send(fd.get(), R"({"execute":"reset"})", 19, 0), 0);
  Spin();
  server_->Shutdown();
  const std::string out = Read(fd);
  EXPECT_EQ(out.substr(out.find("\r\n") + 2), std::string(kEmpty) + "<end>");
}

TEST_F(ServerTest, ShutdownDeliversTheLastEventBeforeTheEnd) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  server_->events().Emit({"SHUTDOWN", json::Object{{"guest", false}}, true});
  server_->Shutdown();
  const std::string out = Read(fd);
  EXPECT_NE(out.find("SHUTDOWN"), std::string::npos);
  EXPECT_EQ(out.substr(out.size() - 5), "<end>");
}

TEST_F(ServerTest, ShutdownDoesNotWaitForAClientThatNeverReads) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  const UniqueFd fd = Negotiated();
  Send(fd, "{\"execute\":\"echo\",\"arguments\":{\"x\":\"" + std::string(3 << 20, 'x') + "\"}}");
  server_->Shutdown(std::chrono::milliseconds(50));
  // What did not fit into the socket went nowhere.
  EXPECT_LT(Read(fd).size(), size_t{3} << 20);
}

TEST_F(ServerTest, NoDescriptorIsLeftBehind) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  Negotiated();
  Spin();
  const UniqueFd probe(open("/dev/null", O_RDONLY));
  for (int i = 0; i < 50; ++i) {
    const UniqueFd fd = Negotiated();
    const UniqueFd passed(memfd_create("a", MFD_CLOEXEC));
    SendWithFd(fd, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"a\"}}", passed.get());
    SendWithFd(fd, " ", passed.get());
    Spin();
  }
  Spin();
  const UniqueFd again(open("/dev/null", O_RDONLY));
  EXPECT_LE(again.get(), probe.get() + 1);
}

TEST_F(ServerTest, RunsOutOfDescriptorsAndRecovers) {
  ASSERT_TRUE(server_->AddMonitor(Unix()));
  UniqueFd first = Negotiated();
  rlimit old{};
  getrlimit(RLIMIT_NOFILE, &old);
  UniqueFd waiting(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", Path().c_str());
  ASSERT_EQ(
      connect(waiting.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof address),
      0);
  const rlimit none{3, old.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  Spin();
  EXPECT_EQ(Ask(first, kQuery), kEmpty);
  setrlimit(RLIMIT_NOFILE, &old);
  io_.restart();
  while (server_->client_count() < 2 && io_.run_one() != 0) {
  }
  EXPECT_EQ(Read(waiting).substr(0, 7), "{\"QMP\":");
}

}  // namespace
}  // namespace davit::qmp
