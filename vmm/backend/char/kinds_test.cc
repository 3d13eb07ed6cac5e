// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Tests of the ringbuf, mux and udp back ends, and of sockets that connect again.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "vmm/backend/char/registry.h"
#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/backend/char/testing/recording_client.h"
#include "vmm/base/unique_fd.h"
#include "vmm/io/asio_event_loop.h"

namespace davit::backend {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

template <typename Address>
sockaddr* Any(Address& address) {
  return static_cast<sockaddr*>(static_cast<void*>(&address));
}

class KindsTest : public testing::Test {
 protected:
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
  Chardev* Create(const std::string& id, decltype(ChardevSpec::backend) backend) {
    auto chardev = registry_.Create({id, std::move(backend)});
    EXPECT_TRUE(chardev) << chardev.error();
    return chardev ? *chardev : nullptr;
  }
  std::string Error(decltype(ChardevSpec::backend) backend) {
    auto chardev = registry_.Create({"a", std::move(backend)});
    return chardev ? "" : chardev.error().message;
  }

  io::AsioEventLoop loop_;
  RecordingClient client_, other_;
  std::vector<std::string> notes_;
  int quits_ = 0;
  ChardevRegistry registry_{loop_,
                            {.notify = [this](const std::string& text) { notes_.push_back(text); },
                             .quit = [this] { ++quits_; }}};
};

// --- ringbuf ---------------------------------------------------------------------------------

TEST_F(KindsTest, RingKeepsTheLastBytes) {
  Chardev* ring = Create("r", RingbufSpec{.size = 8});
  EXPECT_EQ(ring->filename(), "ringbuf");
  EXPECT_EQ(ring->Write(Bytes("01234")), 5u);
  EXPECT_EQ(registry_.RingbufRead("r", 3), "012");
  EXPECT_EQ(ring->Write(Bytes("56789ab")), 7u);
  EXPECT_EQ(registry_.RingbufRead("r", 100), "456789ab");
  EXPECT_EQ(registry_.RingbufRead("r", 100), "");
  EXPECT_EQ(ring->Write(Bytes("a piece longer than the ring")), 28u);
  EXPECT_EQ(registry_.RingbufRead("r", UINT64_MAX), "the ring");
}

TEST_F(KindsTest, FloodOfARingIsBoundedByItsSize) {
  Chardev* ring = Create("r", RingbufSpec{});
  const std::string piece(100'000, 'x');
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(ring->Write(Bytes(piece)), piece.size());
  EXPECT_EQ(registry_.RingbufRead("r", UINT64_MAX)->size(), 65536u);
}

TEST_F(KindsTest, RingSizeMustBeAPowerOfTwoThatThereIsMemoryFor) {
  EXPECT_EQ(Error(RingbufSpec{.size = 3}), "size of ringbuf chardev must be power of two");
  EXPECT_EQ(Error(RingbufSpec{.size = 1ULL << 63}),
            "no memory for a ringbuf chardev of 9223372036854775808 bytes");
}

TEST_F(KindsTest, RingIsOpenAndGivesItsFrontEndNothing) {
  Chardev* ring = Create("r", RingbufSpec{});
  ASSERT_TRUE(ring->Attach(&client_));
  EXPECT_EQ(client_.events, std::vector{ChardevEvent::kOpened});
  ASSERT_TRUE(registry_.RingbufWrite("r", Bytes("x")));
  EXPECT_EQ(client_.received, "");
  EXPECT_EQ(ring->Attach(&other_).error().message, "Device 'r' is in use");
}

TEST_F(KindsTest, RingCommandsNameWhatIsNoRing) {
  Create("n", NullSpec{});
  EXPECT_EQ(registry_.RingbufRead("n", 1).error().message, "n is not a ringbuf device");
  EXPECT_EQ(registry_.RingbufWrite("x", {}).error().message, "Device 'x' not found");
}

// --- breaks, changes -------------------------------------------------------------------------

TEST_F(KindsTest, BreakReachesTheFrontEndOfEveryKind) {
  Create("n", NullSpec{});
  Create("r", RingbufSpec{});
  Create("p", PtySpec{});
  for (const char* id : {"n", "r", "p"}) {
    RecordingClient client;
    EXPECT_TRUE(registry_.SendBreak(id)) << "without a front end";
    ASSERT_TRUE(registry_.Find(id)->Attach(&client));
    ASSERT_TRUE(registry_.SendBreak(id));
    EXPECT_EQ(client.events.back(), ChardevEvent::kBreak) << id;
    ASSERT_TRUE(registry_.Find(id)->Attach(nullptr));
  }
  EXPECT_EQ(registry_.SendBreak("x").error().message, "Chardev 'x' not found");
}

TEST_F(KindsTest, ChangeReplacesWhatNobodyUses) {
  Create("n", NullSpec{});
  ASSERT_TRUE(registry_.Change({"n", RingbufSpec{}}));
  EXPECT_EQ(registry_.List()[0].filename, "ringbuf");
  EXPECT_EQ(registry_.Change({"n", FileSpec{.out = "/nonexist/x"}}).error().message,
            "Failed to add chardev 'n': Could not open '/nonexist/x': No such file or directory");
  EXPECT_EQ(registry_.List()[0].filename, "ringbuf");
  EXPECT_EQ(registry_.Change({"x", NullSpec{}}).error().message, "Chardev 'x' does not exist");
  ASSERT_TRUE(registry_.Find("n")->Attach(&client_));
  EXPECT_EQ(registry_.Change({"n", NullSpec{}}).error().message,
            "Chardev user does not support chardev hotswap");
  ASSERT_TRUE(registry_.Find("n")->Attach(nullptr));
}

// --- mux -------------------------------------------------------------------------------------

class MuxTest : public KindsTest {
 protected:
  MuxTest() {
    auto base = std::make_unique<FakeChardev>();
    base_ = base.get();
    EXPECT_TRUE(registry_.Add(std::move(base)));
    Create("m", MuxSpec{"fake0"});
  }
  ~MuxTest() override {
    for (Chardev* place : attached_) EXPECT_TRUE(place->Attach(nullptr));
  }
  Chardev* Attach(ChardevClient& client) {
    Chardev* place = registry_.Find("m");
    EXPECT_TRUE(place->Attach(&client));
    attached_.push_back(place);
    return place;
  }
  // All that was posted.
  void Run() {
    bool done = false;
    loop_.Post([&] { done = true; });
    ASSERT_TRUE(RunUntil([&] { return done; }));
  }

  FakeChardev* base_;
  std::vector<Chardev*> attached_;
};

TEST_F(MuxTest, RowsAreAsOpenAsTheFrontEnds) {
  EXPECT_EQ(registry_.List()[0].label, "fake0");
  EXPECT_EQ(registry_.List()[1].filename, "mux");
  EXPECT_FALSE(registry_.List()[0].frontend_open);
  EXPECT_FALSE(registry_.List()[1].frontend_open);
  Attach(client_);
  EXPECT_TRUE(registry_.List()[0].frontend_open);
  EXPECT_TRUE(registry_.List()[1].frontend_open);
}

TEST_F(MuxTest, NeitherItNorItsBaseCanBeRemoved) {
  EXPECT_EQ(registry_.Remove("m").error().message, "Chardev 'm' is busy");
  EXPECT_EQ(registry_.Remove("fake0").error().message, "Chardev 'fake0' is busy");
  EXPECT_EQ(registry_.Change({"m", NullSpec{}}).error().message,
            "Mux device hotswap not supported yet");
  EXPECT_EQ(registry_.Find("fake0")->Attach(&client_).error().message, "Device 'fake0' is in use");
}

TEST_F(MuxTest, BaseMustBeThereAndFree) {
  EXPECT_EQ(Error(MuxSpec{"x"}), "mux: base chardev x not found");
  EXPECT_EQ(Error(MuxSpec{"fake0"}), "Device 'fake0' is in use");
}

TEST_F(MuxTest, FifthFrontEndIsRefused) {
  RecordingClient clients[5];
  for (int i = 0; i < 4; ++i) Attach(clients[i]);
  EXPECT_EQ(registry_.Find("m")->Attach(&clients[4]).error().message, "Device 'm' is in use");
}

TEST_F(MuxTest, AllWriteAndTheFocusReads) {
  Chardev* first = Attach(client_);
  Chardev* second = Attach(other_);
  first->Write(Bytes("a"));
  second->Write(Bytes("b"));
  EXPECT_EQ(base_->written, "ab");
  base_->Feed("one");
  EXPECT_EQ(other_.received, "one");
  base_->Feed(
      "\x01"
      "ctwo");
  EXPECT_EQ(client_.received, "two");
  base_->Feed("\x01");
  base_->Feed("cthree");
  EXPECT_EQ(other_.received, "onethree");
}

TEST_F(MuxTest, EscapeItselfIsSentByTwo) {
  Attach(client_);
  base_->Feed("\x01\x01z\x01qy");
  EXPECT_EQ(client_.received, "\x01zy");
}

TEST_F(MuxTest, CommandsOfTheUser) {
  Attach(client_);
  Attach(other_);
  base_->Feed(
      "\x01"
      "b");
  EXPECT_EQ(other_.events.back(), ChardevEvent::kBreak);
  EXPECT_TRUE(client_.events.empty());
  base_->Feed("\x01h");
  EXPECT_NE(base_->written.find("C-a c    switch"), std::string::npos);
  base_->written.clear();
  base_->Feed("\x01s");
  EXPECT_EQ(base_->written, "\n\rC-a s is not available\n\r");
  base_->Feed("\x01x");
  EXPECT_EQ(quits_, 1);
}

TEST_F(MuxTest, EventsGoToAllAndToThoseWhoComeLater) {
  Attach(client_);
  base_->Send(ChardevEvent::kOpened);
  Attach(other_);
  EXPECT_EQ(client_.events, std::vector{ChardevEvent::kOpened});
  EXPECT_EQ(other_.events, std::vector{ChardevEvent::kOpened});
  base_->Send(ChardevEvent::kClosed);
  EXPECT_EQ(client_.events.back(), ChardevEvent::kClosed);
  ASSERT_TRUE(registry_.SendBreak("m"));
  EXPECT_EQ(other_.events.back(), ChardevEvent::kBreak);
  EXPECT_EQ(client_.events.back(), ChardevEvent::kClosed);
}

TEST_F(MuxTest, FrontEndThatTakesNothingBoundsWhatIsKept) {
  Chardev* place = Attach(client_);
  client_.limit = 0;
  EXPECT_EQ(base_->Feed(std::string(1000, 'x')), 32u);
  EXPECT_EQ(base_->Feed("y"), 0u);
  client_.limit = 40;
  const int resumes = base_->resumes;
  place->ResumeInput();
  Run();
  EXPECT_EQ(client_.received.size(), 32u);
  EXPECT_GT(base_->resumes, resumes);
  EXPECT_EQ(base_->Feed(std::string(1000, 'z')), 32u);
  EXPECT_EQ(client_.received.size(), 40u);
}

TEST_F(MuxTest, ResumesWithoutAPausePostNothing) {
  Chardev* place = Attach(client_);
  const int resumes = base_->resumes;
  for (int i = 0; i < 100; ++i) place->ResumeInput();
  Run();
  EXPECT_EQ(base_->resumes, resumes);
}

TEST_F(MuxTest, RoomOfTheBaseIsToldToAll) {
  Chardev* first = Attach(client_);
  Chardev* second = Attach(other_);
  int told = 0;
  first->OnWritable([&] { ++told; });
  second->OnWritable([&] { ++told; });
  base_->room = 1;
  EXPECT_EQ(first->Write(Bytes("abc")), 1u);
  base_->MakeRoom(10);
  EXPECT_EQ(told, 2);
}

TEST_F(MuxTest, FocusLeavesWithItsFrontEnd) {
  Attach(client_);
  Chardev* second = Attach(other_);
  ASSERT_TRUE(second->Attach(nullptr));
  attached_.pop_back();
  base_->Feed("x");
  EXPECT_EQ(client_.received, "x");
  ASSERT_TRUE(attached_[0]->Attach(nullptr));
  attached_.clear();
  EXPECT_EQ(base_->Feed("y"), 0u);
}

// --- udp -------------------------------------------------------------------------------------

class UdpTest : public KindsTest {
 protected:
  UdpTest() : peer_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(peer_.get(), Any(address_), sizeof(address_)), 0);
    socklen_t length = sizeof(address_);
    EXPECT_EQ(getsockname(peer_.get(), Any(address_), &length), 0);
  }
  UdpSpec Spec() const { return {{"127.0.0.1", std::to_string(ntohs(address_.sin_port))}, {}}; }
  // What came, and from whom; to whom the next Send() goes.
  std::string Receive() {
    char buffer[64];
    socklen_t length = sizeof(from_);
    const ssize_t n = recvfrom(peer_.get(), buffer, sizeof(buffer), 0, Any(from_), &length);
    return n < 0 ? "error" : std::string(buffer, static_cast<size_t>(n));
  }
  void Send(const std::string& text) {
    EXPECT_EQ(sendto(peer_.get(), text.data(), text.size(), 0, Any(from_), sizeof(from_)),
              static_cast<ssize_t>(text.size()));
  }

  UniqueFd peer_;
  sockaddr_in address_{}, from_{};
};

TEST_F(UdpTest, DatagramsGoBothWays) {
  Chardev* udp = Create("u", Spec());
  EXPECT_EQ(udp->filename(), "udp");
  ASSERT_TRUE(udp->Attach(&client_));
  EXPECT_EQ(udp->Write(Bytes("out")), 3u);
  EXPECT_EQ(Receive(), "out");
  Send("in");
  Send("");
  Send("again");
  EXPECT_TRUE(RunUntil([&] { return client_.received == "inagain"; }));
}

TEST_F(UdpTest, DatagramIsTakenInPieces) {
  Chardev* udp = Create("u", Spec());
  client_.limit = 3;
  ASSERT_TRUE(udp->Attach(&client_));
  udp->Write(Bytes("."));
  Receive();
  Send("abcdef");
  Send("ghi");
  EXPECT_TRUE(RunUntil([&] { return client_.received == "abc"; }));
  client_.limit = 100;
  udp->ResumeInput();
  EXPECT_TRUE(RunUntil([&] { return client_.received == "abcdefghi"; }));
}

TEST_F(UdpTest, DatagramsOfOthersAreNotTaken) {
  Chardev* udp = Create("u", Spec());
  ASSERT_TRUE(udp->Attach(&client_));
  udp->Write(Bytes("."));
  Receive();
  UniqueFd stranger(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(sendto(stranger.get(), "bad", 3, 0, Any(from_), sizeof(from_)), 3);
  Send("good");
  EXPECT_TRUE(RunUntil([&] { return client_.received == "good"; }));
}

TEST_F(UdpTest, PeerThatIsNotThereCostsNothing) {
  const UdpSpec spec = Spec();
  peer_.reset();
  Chardev* udp = Create("u", spec);
  ASSERT_TRUE(udp->Attach(&client_));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(udp->Write(Bytes("lost")), 4u);
  loop_.RunOne(std::chrono::milliseconds(1));
  EXPECT_EQ(client_.events, std::vector{ChardevEvent::kOpened});
}

TEST_F(UdpTest, OwnAddressCanBeChosenAndFaultsAreNamed) {
  UdpSpec spec = Spec();
  spec.local = InetAddress{"127.0.0.1", ""};
  Create("u", spec)->Write(Bytes("x"));
  EXPECT_EQ(Receive(), "x");
  EXPECT_EQ(from_.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
  spec.local = InetAddress{"192.0.2.1", "0"};
  EXPECT_EQ(Error(spec), "Failed to bind socket: Cannot assign requested address");
  EXPECT_EQ(Error(UdpSpec{}), "remote port not specified");
}

// --- sockets that connect again --------------------------------------------------------------

class ReconnectTest : public KindsTest {
 protected:
  ReconnectTest() {
    char name[] = "/tmp/davit-char-XXXXXX";
    directory_ = mkdtemp(name);
    path_ = directory_ + "/s";
  }
  ~ReconnectTest() override { std::filesystem::remove_all(directory_); }
  UniqueFd Listen() {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd.get(), Any(address), sizeof(address)), 0);
    EXPECT_EQ(listen(fd.get(), 1), 0);
    return fd;
  }
  SocketSpec Spec() const { return {.address = UnixAddress{path_}, .reconnect = 1}; }
  bool Saw(std::vector<ChardevEvent> events) {
    return RunUntil([&] { return client_.events == events; });
  }

  std::string directory_, path_;
};

TEST_F(ReconnectTest, LostPeerIsConnectedToAgain) {
  UniqueFd listener = Listen();
  Chardev* chardev = Create("s", Spec());
  ASSERT_TRUE(chardev->Attach(&client_));
  UniqueFd peer(accept(listener.get(), nullptr, nullptr));
  ASSERT_TRUE(Saw({ChardevEvent::kOpened}));
  peer.reset();
  ASSERT_TRUE(Saw({ChardevEvent::kOpened, ChardevEvent::kClosed}));
  EXPECT_EQ(chardev->filename(), "disconnected:unix:" + path_);
  EXPECT_EQ(chardev->Write(Bytes("lost")), 4u);
  ASSERT_TRUE(Saw({ChardevEvent::kOpened, ChardevEvent::kClosed, ChardevEvent::kOpened}));
  peer.reset(accept(listener.get(), nullptr, nullptr));
  EXPECT_EQ(chardev->Write(Bytes("again")), 5u);
  char buffer[8];
  EXPECT_EQ(read(peer.get(), buffer, sizeof(buffer)), 5);
}

TEST_F(ReconnectTest, PeerThatGoesIsNoticedWhileNothingIsTaken) {
  UniqueFd listener = Listen();
  Chardev* chardev = Create("s", Spec());
  client_.limit = 0;
  ASSERT_TRUE(chardev->Attach(&client_));
  UniqueFd peer(accept(listener.get(), nullptr, nullptr));
  ASSERT_TRUE(Saw({ChardevEvent::kOpened}));
  peer.reset();
  EXPECT_TRUE(Saw({ChardevEvent::kOpened, ChardevEvent::kClosed}));
}

TEST_F(ReconnectTest, LastWordsWaitForAFrontEndThatListensAlone) {
  UniqueFd listener = Listen();
  Chardev* chardev = Create("s", Spec());
  client_.limit = 0;
  ASSERT_TRUE(chardev->Attach(&client_));
  UniqueFd peer(accept(listener.get(), nullptr, nullptr));
  ASSERT_TRUE(Saw({ChardevEvent::kOpened}));
  ASSERT_EQ(write(peer.get(), "last", 4), 4);
  peer.reset();
  loop_.RunOne(std::chrono::milliseconds(50));
  EXPECT_EQ(client_.events.size(), 1u);
  client_.limit = 100;
  chardev->ResumeInput();
  EXPECT_TRUE(Saw({ChardevEvent::kOpened, ChardevEvent::kClosed}));
  EXPECT_EQ(client_.received, "last");

  client_.limit = 0;
  client_.received.clear();
  ASSERT_TRUE(RunUntil([&] { return client_.events.size() == 3; }));  // connected again
  chardev->set_frontend_listens(false);
  peer.reset(accept(listener.get(), nullptr, nullptr));
  ASSERT_EQ(write(peer.get(), "lost", 4), 4);
  peer.reset();
  EXPECT_TRUE(RunUntil([&] { return client_.events.size() == 4; }));
}

TEST_F(ReconnectTest, PeerThatComesLaterIsFoundAndTheFaultIsToldOnce) {
  Chardev* chardev = Create("s", Spec());
  ASSERT_TRUE(chardev->Attach(&client_));
  const auto end = loop_.Now() + std::chrono::milliseconds(1200);  // more than one attempt
  RunUntil([&] { return loop_.Now() > end; });
  EXPECT_EQ(notes_, std::vector<std::string>{"Unable to connect character device s: Failed to "
                                             "connect to '" +
                                             path_ + "': No such file or directory"});
  UniqueFd listener = Listen();
  EXPECT_TRUE(Saw({ChardevEvent::kOpened}));
}

TEST_F(ReconnectTest, RefusedTcpConnectionIsTriedAgain) {
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(bind(listener.get(), Any(address), sizeof(address)), 0);
  socklen_t length = sizeof(address);
  ASSERT_EQ(getsockname(listener.get(), Any(address), &length), 0);
  Chardev* chardev = Create(
      "s", SocketSpec{.address = InetAddress{"127.0.0.1", std::to_string(ntohs(address.sin_port))},
                      .reconnect = 1});
  ASSERT_TRUE(chardev->Attach(&client_));
  ASSERT_TRUE(RunUntil([&] { return !notes_.empty(); }));
  EXPECT_NE(notes_[0].find("Connection refused"), std::string::npos) << notes_[0];
  ASSERT_EQ(listen(listener.get(), 1), 0);
  EXPECT_TRUE(Saw({ChardevEvent::kOpened}));
}

}  // namespace
}  // namespace davit::backend
