// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of the file, pipe, pty and socket back ends against the real system: data, names, faults,
// flow control when nobody reads.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "vmm/backend/char/registry.h"
#include "vmm/backend/char/testing/recording_client.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/asio_event_loop.h"

namespace davit::backend {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string ReadFile(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

class BackendsTest : public testing::Test {
 protected:
  BackendsTest() {
    char name[] = "/tmp/davit-char-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~BackendsTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  // Runs the loop until the condition holds; false after five seconds.
  template <typename Condition>
  bool RunUntil(Condition condition) {
    const auto end = loop_.Now() + std::chrono::seconds(5);
    while (!condition()) {
      if (loop_.Now() > end) return false;
      loop_.RunOne(std::chrono::milliseconds(50));
    }
    return true;
  }
  Chardev* Create(decltype(ChardevSpec::backend) backend) {
    auto chardev = registry_.Create({"a", std::move(backend)});
    EXPECT_TRUE(chardev) << chardev.error();
    return chardev ? *chardev : nullptr;
  }
  std::string Error(decltype(ChardevSpec::backend) backend) {
    auto chardev = registry_.Create({"a", std::move(backend)});
    return chardev ? "" : chardev.error().message;
  }
  UniqueFd ConnectUnix(const std::string& path) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    const auto* any = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    EXPECT_EQ(connect(fd.get(), any, sizeof(address)), 0) << path;
    return fd;
  }
  static SocketSpec UnixServer(const std::string& path) {
    return {.address = UnixAddress{path}, .server = true, .wait = false};
  }
  bool Opened() const {
    return !client_.events.empty() && client_.events.back() == ChardevEvent::kOpened;
  }
  bool Closed() const {
    return !client_.events.empty() && client_.events.back() == ChardevEvent::kClosed;
  }

  std::string directory_;
  io::AsioEventLoop loop_;
  RecordingClient client_;
  std::vector<std::string> notes_;
  ChardevRegistry registry_{loop_, {[this](const std::string& text) { notes_.push_back(text); }}};
};

TEST_F(BackendsTest, FileIsTruncatedOrAppendedTo) {
  std::ofstream(Path("f")) << "old";
  Create(FileSpec{.out = Path("f"), .append = true})->Write(Bytes("+new"));
  EXPECT_EQ(registry_.List()[0].filename, "file");
  EXPECT_EQ(ReadFile(Path("f")), "old+new");
  ASSERT_TRUE(registry_.Remove("a"));
  Create(FileSpec{.out = Path("f")})->Write(Bytes("x"));
  EXPECT_EQ(ReadFile(Path("f")), "x");
}

TEST_F(BackendsTest, FileInputIsReadToItsEnd) {
  std::ofstream(Path("in")) << "hello";
  Chardev* chardev = Create(FileSpec{.out = Path("f"), .in = Path("in")});
  ASSERT_TRUE(chardev->Attach(&client_));
  EXPECT_TRUE(RunUntil([&] { return Closed(); }));
  EXPECT_EQ(client_.received, "hello");
}

TEST_F(BackendsTest, FileThatCannotBeOpenedIsNamed) {
  EXPECT_EQ(Error(FileSpec{.out = "/nonexist/x"}),
            "Could not open '/nonexist/x': No such file or directory");
  EXPECT_EQ(Error(FileSpec{.out = Path("f"), .in = Path("none")}),
            "Could not open '" + Path("none") + "': No such file or directory");
}

TEST_F(BackendsTest, PipePairCarriesBothWays) {
  ASSERT_EQ(mkfifo(Path("p.in").c_str(), 0600), 0);
  ASSERT_EQ(mkfifo(Path("p.out").c_str(), 0600), 0);
  Chardev* chardev = Create(PipeSpec{Path("p")});
  EXPECT_EQ(chardev->filename(), "pipe");
  ASSERT_TRUE(chardev->Attach(&client_));
  UniqueFd to(open(Path("p.in").c_str(), O_WRONLY | O_CLOEXEC));
  UniqueFd from(open(Path("p.out").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(write(to.get(), "in", 2), 2);
  EXPECT_TRUE(RunUntil([&] { return client_.received == "in"; }));
  EXPECT_EQ(chardev->Write(Bytes("out")), 3u);
  char buffer[8] = {};
  EXPECT_EQ(read(from.get(), buffer, sizeof(buffer)), 3);
}

TEST_F(BackendsTest, MissingPipeIsNamed) {
  EXPECT_EQ(Error(PipeSpec{Path("p")}),
            "Could not open '" + Path("p") + "': No such file or directory");
}

TEST_F(BackendsTest, PtyDropsOutputUntilOpenedThenCarriesBothWays) {
  Chardev* chardev = Create(PtySpec{});
  const std::string name = chardev->filename();
  ASSERT_EQ(name.substr(0, 13), "pty:/dev/pts/");
  EXPECT_EQ(notes_[0], "char device redirected to " + name.substr(4) + " (label a)");
  ASSERT_TRUE(chardev->Attach(&client_));
  const std::string flood(1 << 20, 'x');
  EXPECT_EQ(chardev->Write(Bytes(flood)), flood.size());

  UniqueFd slave(open(name.c_str() + 4, O_RDWR | O_NOCTTY | O_CLOEXEC));
  ASSERT_TRUE(slave);
  EXPECT_TRUE(RunUntil([&] { return Opened(); }));
  EXPECT_EQ(chardev->Write(Bytes("hi\n")), 3u);
  char buffer[8] = {};
  EXPECT_EQ(read(slave.get(), buffer, sizeof(buffer)), 3);
  ASSERT_EQ(write(slave.get(), "\rq", 2), 2);
  EXPECT_TRUE(RunUntil([&] { return client_.received == "\rq"; }));

  slave.reset();
  EXPECT_TRUE(RunUntil([&] { return Closed(); }));
  slave.reset(open(name.c_str() + 4, O_RDWR | O_NOCTTY | O_CLOEXEC));
  EXPECT_TRUE(RunUntil([&] { return Opened(); }));
}

TEST_F(BackendsTest, UnixServerServesOneClientAfterTheOther) {
  Chardev* chardev = Create(UnixServer(Path("s")));
  EXPECT_EQ(chardev->filename(), "disconnected:unix:" + Path("s") + ",server=on");
  ASSERT_TRUE(chardev->Attach(&client_));
  EXPECT_TRUE(client_.events.empty());
  EXPECT_EQ(chardev->Write(Bytes("lost")), 4u);

  UniqueFd first = ConnectUnix(Path("s"));
  EXPECT_TRUE(RunUntil([&] { return Opened(); }));
  EXPECT_EQ(chardev->filename(), "unix:" + Path("s") + ",server=on");
  ASSERT_EQ(write(first.get(), "1", 1), 1);
  EXPECT_TRUE(RunUntil([&] { return client_.received == "1"; }));
  chardev->Write(Bytes("one"));
  char buffer[8] = {};
  EXPECT_EQ(read(first.get(), buffer, sizeof(buffer)), 3);

  UniqueFd second = ConnectUnix(Path("s"));
  ASSERT_EQ(write(second.get(), "2", 1), 1);
  first.reset();
  EXPECT_TRUE(RunUntil([&] { return client_.received == "12"; }));
  EXPECT_EQ(client_.events,
            (std::vector{ChardevEvent::kOpened, ChardevEvent::kClosed, ChardevEvent::kOpened}));
}

TEST_F(BackendsTest, UnixSocketIsPrivateAndUnlinkedAtTheEnd) {
  Create(UnixServer(Path("s")));
  struct stat info {};
  ASSERT_EQ(stat(Path("s").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  ASSERT_TRUE(registry_.Remove("a"));
  EXPECT_NE(stat(Path("s").c_str(), &info), 0);
}

TEST_F(BackendsTest, StaleSocketIsReplacedAndOtherFilesAreNot) {
  Create(UnixServer(Path("s")));
  ASSERT_TRUE(registry_.Create({"b", UnixServer(Path("s"))}));
  ASSERT_TRUE(registry_.Remove("a"));
  struct stat info {};
  EXPECT_EQ(stat(Path("s").c_str(), &info), 0) << "the successor's socket must stay";
  std::ofstream(Path("plain")) << "x";
  EXPECT_EQ(Error(UnixServer(Path("plain"))),
            "Failed to bind socket to " + Path("plain") + ": Address already in use");
}

TEST_F(BackendsTest, UnixFaultsAreWordedAsQemuDoes) {
  EXPECT_EQ(Error(UnixServer("/nonexist/x")),
            "Failed to bind socket to /nonexist/x: No such file or directory");
  EXPECT_EQ(Error(SocketSpec{.address = UnixAddress{"/nonexist/x"}}),
            "Failed to connect to '/nonexist/x': No such file or directory");
  const std::string longer = "/tmp/" + std::string(120, 'a');
  EXPECT_EQ(Error(UnixServer(longer)),
            "UNIX socket path '" + longer + "' is too long\nPath must be less than 108 bytes");
  EXPECT_EQ(Error(SocketSpec{.address = FdAddress{9999}, .server = true}),
            "File descriptor '9999' is not a socket");
  const UniqueFd datagrams(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(Error(SocketSpec{.address = FdAddress{datagrams.get()}, .server = true}),
            "Failed to listen on fd socket: Operation not supported");
  EXPECT_GE(fcntl(datagrams.get(), F_GETFD), 0) << "still the giver's";
}

TEST_F(BackendsTest, ClientThatNoDescriptorIsLeftForWaitsAndDoesNotSpinTheLoop) {
  SocketSpec spec = UnixServer(Path("s"));
  spec.wait = false;
  Chardev* chardev = Create(spec);
  ASSERT_NE(chardev, nullptr);
  UniqueFd peer = ConnectUnix(Path("s"));
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{static_cast<rlim_t>(UniqueFd(dup(0)).get()), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  bool idle = false;
  for (int i = 0; i < 20 && !idle; ++i) idle = !loop_.RunOne(std::chrono::milliseconds(20));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(idle);
  EXPECT_TRUE(RunUntil([&] { return !chardev->filename().starts_with("disconnected:"); }));
}

TEST_F(BackendsTest, AbstractSocketHasNoFile) {
  const std::string name = "davit-test-" + std::to_string(getpid());
  SocketSpec spec = UnixServer(name);
  std::get<UnixAddress>(spec.address).abstract = true;
  EXPECT_EQ(Create(spec)->filename(),
            "disconnected:unix:" + name + ",abstract=on,tight=on,server=on");
  spec.server = false;
  EXPECT_TRUE(registry_.Create({"b", spec}));
}

TEST_F(BackendsTest, ClientConnectsToAUnixServer) {
  ASSERT_TRUE(registry_.Create({"server", UnixServer(Path("s"))}));
  Chardev* chardev = Create(SocketSpec{.address = UnixAddress{Path("s")}});
  EXPECT_EQ(chardev->filename(), "unix:");
  ASSERT_TRUE(chardev->Attach(&client_));
  EXPECT_TRUE(Opened());
  RecordingClient server;
  ASSERT_TRUE(registry_.Find("server")->Attach(&server));
  chardev->Write(Bytes("ping"));
  EXPECT_TRUE(RunUntil([&] { return server.received == "ping"; }));
  ASSERT_TRUE(registry_.Find("server")->Attach(nullptr));
  ASSERT_TRUE(registry_.Remove("server"));
  EXPECT_TRUE(RunUntil([&] { return Closed(); }));
  EXPECT_EQ(chardev->filename(), "disconnected:unix:" + Path("s"));
}

TEST_F(BackendsTest, WaitingServerReturnsWithItsClient) {
  // The client is in the backlog of a socket made beforehand, so that nothing waits here.
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, Path("s").c_str(), sizeof(address.sun_path) - 1);
  const auto* any = static_cast<const sockaddr*>(static_cast<const void*>(&address));
  ASSERT_EQ(bind(listener.get(), any, sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  UniqueFd peer = ConnectUnix(Path("s"));
  Chardev* chardev =
      Create(SocketSpec{.address = FdAddress{listener.release()}, .server = true, .wait = true});
  EXPECT_EQ(notes_[0],
            "info: waiting for connection on: disconnected:unix:" + Path("s") + ",server=on");
  ASSERT_TRUE(chardev->Attach(&client_));
  EXPECT_TRUE(Opened());
}

TEST_F(BackendsTest, TcpServerNamesItsPortAndItsPeer) {
  Chardev* server =
      Create(SocketSpec{.address = InetAddress{"127.0.0.1", "0"}, .server = true, .wait = false});
  std::string name = server->filename();
  ASSERT_EQ(name.substr(0, 27), "disconnected:tcp:127.0.0.1:");
  const std::string port = name.substr(27, name.find(',') - 27);
  ASSERT_TRUE(server->Attach(&client_));
  auto peer = registry_.Create(
      {"b", SocketSpec{.address = InetAddress{"127.0.0.1", port}, .nodelay = true}});
  ASSERT_TRUE(peer) << peer.error();
  EXPECT_TRUE(RunUntil([&] { return Opened(); }));
  name = server->filename();
  EXPECT_EQ(name.substr(0, name.rfind(':')), "tcp:127.0.0.1:" + port + ",server=on <-> 127.0.0.1");
  (*peer)->Write(Bytes("x"));
  EXPECT_TRUE(RunUntil([&] { return client_.received == "x"; }));
}

TEST_F(BackendsTest, TcpOffLoopbackNeedsPermission) {
  SocketSpec spec{.address = InetAddress{"0.0.0.0", "0"}, .server = true, .wait = false};
  const std::string rest =
      "' can be reached from other hosts, and whoever reaches it speaks to the guest; use "
      "127.0.0.1, or say allow-remote=on";
  EXPECT_EQ(Error(spec), "TCP address '0.0.0.0:0" + rest);
  spec.address = InetAddress{"", "0"};
  EXPECT_EQ(Error(spec), "TCP address ':0" + rest);
  spec.allow_remote = true;
  EXPECT_EQ(Error(spec), "");
}

TEST_F(BackendsTest, TcpFaultsAreWordedAsQemuDoes) {
  EXPECT_EQ(Error(SocketSpec{.address = InetAddress{"127.0.0.1", "1"}}),
            "Failed to connect to '127.0.0.1:1': Connection refused");
  EXPECT_EQ(Error(SocketSpec{.address = InetAddress{"127.0.0.1", "nope"}, .server = true}),
            "address resolution failed for 127.0.0.1:nope: Servname not supported for ai_socktype");
}

// threats.md, "Availability": serial flood with no reader.
TEST_F(BackendsTest, FloodWithNoReaderIsPushedBackAndResumesInOrder) {
  Chardev* chardev = Create(UnixServer(Path("s")));
  ASSERT_TRUE(chardev->Attach(&client_));
  UniqueFd reader = ConnectUnix(Path("s"));
  ASSERT_TRUE(RunUntil([&] { return Opened(); }));

  int writable = 0;
  chardev->OnWritable([&] { ++writable; });
  const std::string chunk(1000, 'x');
  size_t accepted = 0;
  for (size_t n = chunk.size(); n == chunk.size(); accepted += n) n = chardev->Write(Bytes(chunk));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(chardev->Write(Bytes("y")), 0u);
  loop_.RunOne(std::chrono::milliseconds(1));
  EXPECT_EQ(writable, 0);

  std::string got;
  ASSERT_TRUE(RunUntil([&] {
    char buffer[65536];
    const ssize_t n = recv(reader.get(), buffer, sizeof(buffer), MSG_DONTWAIT);
    if (n > 0) got.append(buffer, static_cast<size_t>(n));
    return got.size() == accepted && writable > 0;
  }));
  EXPECT_EQ(writable, 1);
  EXPECT_EQ(got, std::string(accepted, 'x'));
  EXPECT_EQ(chardev->Write(Bytes("z")), 1u);
}

TEST_F(BackendsTest, ReaderThatLeavesDuringAFloodFreesTheWriter) {
  Chardev* chardev = Create(UnixServer(Path("s")));
  ASSERT_TRUE(chardev->Attach(&client_));
  UniqueFd reader = ConnectUnix(Path("s"));
  ASSERT_TRUE(RunUntil([&] { return Opened(); }));
  int writable = 0;
  chardev->OnWritable([&] { ++writable; });
  const std::string chunk(100000, 'x');
  while (chardev->Write(Bytes(chunk)) == chunk.size()) {
  }
  reader.reset();
  EXPECT_TRUE(RunUntil([&] { return Closed(); }));
  EXPECT_EQ(writable, 1);
  EXPECT_EQ(chardev->Write(Bytes(chunk)), chunk.size());
}

TEST_F(BackendsTest, InputWaitsForTheFrontEnd) {
  Chardev* chardev = Create(UnixServer(Path("s")));
  client_.limit = 3;
  ASSERT_TRUE(chardev->Attach(&client_));
  UniqueFd peer = ConnectUnix(Path("s"));
  ASSERT_EQ(write(peer.get(), "abcdef", 6), 6);
  EXPECT_TRUE(RunUntil([&] { return client_.received == "abc"; }));
  loop_.RunOne(std::chrono::milliseconds(1));
  EXPECT_EQ(client_.received, "abc");
  client_.limit = 6;
  chardev->ResumeInput();
  EXPECT_TRUE(RunUntil([&] { return client_.received == "abcdef"; }));
}

TEST_F(BackendsTest, PeerThatLeavesWhileInputWaitsIsNoticedByWriting) {
  Chardev* chardev = Create(UnixServer(Path("s")));
  client_.limit = 0;
  ASSERT_TRUE(chardev->Attach(&client_));
  UniqueFd peer = ConnectUnix(Path("s"));
  ASSERT_TRUE(RunUntil([&] { return Opened(); }));
  peer.reset();
  EXPECT_EQ(chardev->Write(Bytes("x")), 1u);
  EXPECT_TRUE(RunUntil([&] { return Closed(); }));
}

TEST_F(BackendsTest, RemovedDeviceLeavesNothingInTheLoop) {
  Chardev* chardev = Create(UnixServer(Path("s")));
  UniqueFd reader = ConnectUnix(Path("s"));
  ASSERT_TRUE(chardev->Attach(&client_));
  ASSERT_TRUE(RunUntil([&] { return Opened(); }));
  const std::string chunk(100000, 'x');
  while (chardev->Write(Bytes(chunk)) == chunk.size()) {
  }
  chardev->ResumeInput();
  ASSERT_TRUE(chardev->Attach(nullptr));
  ASSERT_TRUE(registry_.Remove("a"));
  while (loop_.RunOne(std::chrono::milliseconds(0))) {
  }
  EXPECT_TRUE(registry_.List().empty());
}

}  // namespace
}  // namespace davit::backend
