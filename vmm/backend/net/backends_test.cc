// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The network back ends on the real system: frames through sockets, a tap in a network namespace of
// the test's own, and DHCP from the user-mode stack.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "vmm/backend/net/dgram.h"
#include "vmm/backend/net/stream.h"
#include "vmm/backend/net/tap.h"
#include "vmm/backend/net/user.h"
#include "vmm/io/asio_event_loop.h"

namespace davit::backend {
namespace {

// A card that takes every frame.
class Card final : public NetClient {
 public:
  explicit Card(NetBackend& backend) : backend_(backend) {}
  void OnReceivable(unsigned queue) override {
    std::vector<std::byte> buffer(kVnetHeaderSize + kMaxFrame);
    // In pieces, as a card's buffers are.
    const std::array<iovec, 2> pieces{iovec{buffer.data(), 30},
                                      iovec{buffer.data() + 30, buffer.size() - 30}};
    while (const size_t n = backend_.Receive(queue, pieces)) {
      std::string frame;
      for (size_t i = 0; i < n; ++i) frame += static_cast<char>(buffer[i]);
      frames.push_back(frame);
    }
  }
  void OnSendable(unsigned) override {
    ++sendable;
    if (on_sendable) on_sendable();
  }
  void OnLink(bool up) override { link.push_back(up); }

  std::vector<std::string> frames;
  std::vector<bool> link;
  int sendable = 0;
  std::function<void()> on_sendable;

 private:
  NetBackend& backend_;
};

SendResult Send(NetBackend& backend, const std::string& frame) {
  std::string copy = frame;
  const std::array<iovec, 2> pieces{
      iovec{copy.data(), copy.size() / 2},
      iovec{copy.data() + copy.size() / 2, copy.size() - copy.size() / 2}};
  return backend.Send(0, pieces);
}

class NetBackendsTest : public testing::Test {
 protected:
  NetBackendsTest() {
    char name[] = "/tmp/davit-net-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~NetBackendsTest() override { std::filesystem::remove_all(directory_); }
  template <typename Condition>
  bool RunUntil(Condition condition) {
    const auto end = loop_.Now() + std::chrono::seconds(5);
    while (!condition()) {
      if (loop_.Now() > end) return false;
      loop_.RunOne(std::chrono::milliseconds(50));
    }
    return true;
  }
  std::unique_ptr<NetStream> OpenStream(const std::string& id, bool server) {
    SocketSpec spec{.address = UnixAddress{directory_ + "/s"}, .server = server, .wait = false};
    auto stream = NetStream::Open(id, "stream", spec, loop_, {});
    EXPECT_TRUE(stream) << stream.error();
    return std::move(*stream);
  }
  std::unique_ptr<NetDgram> OpenDgram(const std::string& local, const std::string& remote) {
    DgramSpec spec;
    spec.local = UnixAddress{directory_ + "/" + local};
    spec.remote = UnixAddress{directory_ + "/" + remote};
    auto dgram = NetDgram::Open(local, "dgram", spec, loop_);
    EXPECT_TRUE(dgram) << dgram.error();
    return std::move(*dgram);
  }

  io::AsioEventLoop loop_;
  std::string directory_;
};

TEST_F(NetBackendsTest, StreamCarriesFramesWhole) {
  auto server = OpenStream("a", true);
  Card server_card(*server);
  ASSERT_TRUE(server->Attach(&server_card, loop_));
  auto client = OpenStream("b", false);
  Card client_card(*client);
  ASSERT_TRUE(client->Attach(&client_card, loop_));
  server->StartReceiving(0);
  client->StartReceiving(0);
  ASSERT_TRUE(RunUntil([&] { return server->connected() && client->connected(); }));
  EXPECT_EQ(Send(*client, "hello"), SendResult::kSent);
  EXPECT_EQ(Send(*client, std::string(60000, 'x')), SendResult::kSent);
  ASSERT_TRUE(RunUntil([&] { return server_card.frames.size() == 2; }));
  EXPECT_EQ(server_card.frames[0], "hello");
  EXPECT_EQ(server_card.frames[1], std::string(60000, 'x'));
  EXPECT_EQ(Send(*server, "back"), SendResult::kSent);
  ASSERT_TRUE(RunUntil([&] { return client_card.frames.size() == 1; }));
}

TEST_F(NetBackendsTest, StreamPeerThatDoesNotReadFillsUpAndLosesNothing) {
  auto server = OpenStream("a", true);
  Card server_card(*server);
  ASSERT_TRUE(server->Attach(&server_card, loop_));
  auto client = OpenStream("b", false);
  Card client_card(*client);
  ASSERT_TRUE(client->Attach(&client_card, loop_));
  ASSERT_TRUE(RunUntil([&] { return server->connected() && client->connected(); }));
  size_t sent = 0;
  while (Send(*client, std::string(10000, static_cast<char>('a' + sent % 26))) ==
         SendResult::kSent) {
    ASSERT_LT(++sent, 10000U);
  }
  server->StartReceiving(0);
  ASSERT_TRUE(RunUntil([&] { return client_card.sendable > 0; }));
  ASSERT_TRUE(RunUntil([&] { return server_card.frames.size() == sent; }));
  for (size_t i = 0; i < sent; ++i) {
    ASSERT_EQ(server_card.frames[i], std::string(10000, static_cast<char>('a' + i % 26)));
  }
}

TEST_F(NetBackendsTest, StreamServerTakesTheNextPeerWhenOneGoes) {
  auto server = OpenStream("a", true);
  Card card(*server);
  ASSERT_TRUE(server->Attach(&card, loop_));
  server->StartReceiving(0);
  auto first = OpenStream("b", false);
  ASSERT_TRUE(RunUntil([&] { return card.link == std::vector<bool>{true}; }));
  first.reset();
  ASSERT_TRUE(RunUntil([&] { return card.link == std::vector<bool>{true, false}; }));
  auto second = OpenStream("c", false);
  ASSERT_TRUE(RunUntil([&] { return card.link == std::vector<bool>{true, false, true}; }));
  ASSERT_TRUE(RunUntil([&] { return second->connected(); }));
  EXPECT_EQ(Send(*second, "hi"), SendResult::kSent);
  EXPECT_TRUE(RunUntil([&] { return card.frames.size() == 1; }));
}

TEST_F(NetBackendsTest, StreamPeerThatGoesIsNoticedWhileNothingIsTaken) {
  auto server = OpenStream("a", true);
  auto first = OpenStream("b", false);
  ASSERT_TRUE(RunUntil([&] { return server->connected() && first->connected(); }));
  first.reset();
  ASSERT_TRUE(RunUntil([&] { return !server->connected(); })) << "without a card";

  Card card(*server);
  ASSERT_TRUE(server->Attach(&card, loop_));
  auto second = OpenStream("c", false);
  ASSERT_TRUE(RunUntil([&] { return card.link == std::vector<bool>{true}; }));
  second.reset();
  ASSERT_TRUE(RunUntil([&] { return card.link == std::vector<bool>{true, false}; }));

  auto third = OpenStream("d", false);
  ASSERT_TRUE(RunUntil([&] { return card.link == std::vector<bool>{true, false, true}; }));
  server->StartReceiving(0);
  server->StopReceiving(0);
  third.reset();
  ASSERT_TRUE(RunUntil([&] { return !server->connected(); }));
}

TEST_F(NetBackendsTest, StreamFramesOfAPeerThatWentAreTakenBeforeItsEnd) {
  auto server = OpenStream("a", true);
  Card card(*server);
  ASSERT_TRUE(server->Attach(&card, loop_));
  auto client = OpenStream("b", false);
  ASSERT_TRUE(RunUntil([&] { return server->connected() && client->connected(); }));
  EXPECT_EQ(Send(*client, "one"), SendResult::kSent);
  EXPECT_EQ(Send(*client, "two"), SendResult::kSent);
  client.reset();
  while (loop_.RunOne(std::chrono::milliseconds(0))) {
  }
  EXPECT_TRUE(server->connected());
  server->StartReceiving(0);
  EXPECT_TRUE(RunUntil([&] { return !server->connected(); }));
  EXPECT_EQ(card.frames, (std::vector<std::string>{"one", "two"}));
}

TEST_F(NetBackendsTest, StreamWithoutACardDropsFrames) {
  auto server = OpenStream("a", true);
  auto client = OpenStream("b", false);
  ASSERT_TRUE(RunUntil([&] { return server->connected() && client->connected(); }));
  // More than the sockets hold.
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(
        RunUntil([&] { return Send(*client, std::string(10000, 'x')) == SendResult::kSent; }));
  }
}

TEST_F(NetBackendsTest, StreamServerWithoutDescriptorsWaitsForSome) {
  auto server = OpenStream("a", true);
  const UniqueFd client(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  const rlimit small{std::min<rlim_t>(limit.rlim_cur, 256), limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &small), 0);
  std::vector<UniqueFd> all;
  for (int fd; (fd = dup(client.get())) >= 0;) all.emplace_back(fd);
  ASSERT_EQ(errno, EMFILE);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  (directory_ + "/s").copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(
      connect(client.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof(address)),
      0);
  // A few turns, not as many as there are.
  int turns = 0;
  for (int i = 0; i < 100; ++i) turns += loop_.RunOne(std::chrono::milliseconds(0)) ? 1 : 0;
  EXPECT_LT(turns, 50);
  EXPECT_FALSE(server->connected());
  all.clear();
  EXPECT_TRUE(RunUntil([&] { return server->connected(); }));
  setrlimit(RLIMIT_NOFILE, &limit);
}

// A TCP socket on a port of the system's choice, which it does not listen on yet.
UniqueFd BindLoopback(SocketSpec& spec) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(fd.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof(address)),
            0);
  spec.address = InetAddress{"127.0.0.1", LocalName(fd.get()).port, std::nullopt, std::nullopt};
  return fd;
}

TEST_F(NetBackendsTest, StreamClientDoesNotWaitForItsServer) {
  SocketSpec spec;
  const UniqueFd listener = BindLoopback(spec);
  ASSERT_EQ(listen(listener.get(), 0), 0);
  // As many as it takes until the kernel lets further ones wait.
  const auto endpoints = Endpoints(spec);
  ASSERT_TRUE(endpoints);
  std::vector<UniqueFd> others;
  int error = 0;
  for (int i = 0; i < 4; ++i) others.push_back(StartConnect(endpoints->front(), error));
  auto client = NetStream::Open("b", "stream", spec, loop_, {});
  ASSERT_TRUE(client) << client.error();
  EXPECT_FALSE((*client)->connected());
  EXPECT_EQ(Send(**client, "lost"), SendResult::kSent);
  std::vector<UniqueFd> accepted;
  EXPECT_TRUE(RunUntil([&] {
    pollfd waiting{listener.get(), POLLIN, 0};
    if (poll(&waiting, 1, 0) > 0) accepted.emplace_back(accept(listener.get(), nullptr, nullptr));
    return (*client)->connected();
  }));
}

TEST_F(NetBackendsTest, StreamClientThatIsRefusedSaysSo) {
  SocketSpec spec;
  const UniqueFd nobody = BindLoopback(spec);
  auto client = NetStream::Open("b", "stream", spec, loop_, {});
  ASSERT_TRUE(client) << client.error();
  EXPECT_TRUE(RunUntil([&] { return (*client)->info() == "connection error"; }));
  EXPECT_FALSE((*client)->connected());
  const SocketSpec none{.address = UnixAddress{directory_ + "/none"}, .wait = false};
  const auto at_once = NetStream::Open("b", "stream", none, loop_, {});
  ASSERT_FALSE(at_once);
  EXPECT_EQ(at_once.error().message,
            "Failed to connect to '" + directory_ + "/none': No such file or directory");
}

TEST_F(NetBackendsTest, DatagramIsAFrame) {
  auto a = OpenDgram("a", "b");
  auto b = OpenDgram("b", "a");
  Card card(*b);
  ASSERT_TRUE(b->Attach(&card, loop_));
  b->StartReceiving(0);
  EXPECT_EQ(Send(*a, "one"), SendResult::kSent);
  EXPECT_EQ(Send(*a, "two"), SendResult::kSent);
  ASSERT_TRUE(RunUntil([&] { return card.frames.size() == 2; }));
  EXPECT_EQ(card.frames, (std::vector<std::string>{"one", "two"}));
}

TEST_F(NetBackendsTest, DatagramSocketTakesThePlaceOfASocketAlone) {
  DgramSpec spec;
  const std::string path = directory_ + "/file";
  std::ofstream(path) << "precious";
  spec.local = UnixAddress{path};
  spec.remote = UnixAddress{directory_ + "/b"};
  auto dgram = NetDgram::Open("a", "dgram", spec, loop_);
  ASSERT_FALSE(dgram);
  EXPECT_EQ(dgram.error().message, "can't bind " + path + " to socket: Address already in use");
  EXPECT_EQ(std::filesystem::file_size(path), 8u);

  // Left by a process that was killed.
  std::filesystem::remove(path);
  const UniqueFd left(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(left.get(), static_cast<sockaddr*>(static_cast<void*>(&address)), sizeof(address)),
            0);
  dgram = NetDgram::Open("a", "dgram", spec, loop_);
  ASSERT_TRUE(dgram) << dgram.error();
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(NetBackendsTest, DatagramsBetweenAbstractNames) {
  DgramSpec spec;
  spec.local = UnixAddress{.path = directory_ + "/a", .abstract = true};
  spec.remote = UnixAddress{.path = directory_ + "/b", .abstract = true};
  auto a = NetDgram::Open("a", "dgram", spec, loop_);
  ASSERT_TRUE(a) << a.error();
  std::swap(spec.local, spec.remote);
  auto b = NetDgram::Open("b", "dgram", spec, loop_);
  ASSERT_TRUE(b) << b.error();
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/a"));
  Card card(**b);
  ASSERT_TRUE((*b)->Attach(&card, loop_));
  (*b)->StartReceiving(0);
  EXPECT_EQ(Send(**a, "one"), SendResult::kSent);
  EXPECT_TRUE(RunUntil([&] { return card.frames == std::vector<std::string>{"one"}; }));
}

TEST_F(NetBackendsTest, DatagramToNobodyIsLost) {
  auto a = OpenDgram("a", "nobody");
  EXPECT_EQ(Send(*a, "one"), SendResult::kSent);
}

TEST_F(NetBackendsTest, DatagramPeerThatDoesNotReadFillsUpAndIsNotAskedWithoutEnd) {
  auto a = OpenDgram("a", "b");
  auto b = OpenDgram("b", "a");
  Card sender(*a), receiver(*b);
  ASSERT_TRUE(a->Attach(&sender, loop_));
  ASSERT_TRUE(b->Attach(&receiver, loop_));
  size_t sent = 0;
  while (Send(*a, std::to_string(sent)) == SendResult::kSent) ASSERT_LT(++sent, 10000U);
  // The card tries again, as it does in its own call.
  sender.on_sendable = [&] { (void)Send(*a, "again"); };
  const auto end = loop_.Now() + std::chrono::milliseconds(20);
  while (loop_.Now() < end) loop_.RunOne(std::chrono::milliseconds(1));
  EXPECT_LE(sender.sendable, 20);
  sender.on_sendable = nullptr;
  b->StartReceiving(0);
  ASSERT_TRUE(RunUntil([&] { return receiver.frames.size() == sent; }));
  for (size_t i = 0; i < sent; ++i) EXPECT_EQ(receiver.frames[i], std::to_string(i));
  const int before = sender.sendable;
  EXPECT_TRUE(RunUntil([&] { return sender.sendable > before; }));
}

TEST_F(NetBackendsTest, SecondClientIsRefused) {
  auto a = OpenDgram("a", "b");
  Card one(*a), two(*a);
  ASSERT_TRUE(a->Attach(&one, loop_));
  const Status status = a->Attach(&two, loop_);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "netdev 'a' is in use");
}

// An Ethernet frame with the DHCPDISCOVER of RFC 2131, 3.1.
std::string DhcpDiscover() {
  std::string udp(8 + 240, '\0');
  udp[1] = 68;
  udp[3] = 67;
  std::string& bootp = udp;
  bootp[8] = 1;   // BOOTREQUEST
  bootp[9] = 1;   // Ethernet
  bootp[10] = 6;  // address length
  const std::string mac("\x52\x54\x00\x12\x34\x56", 6);
  bootp.replace(8 + 28, 6, mac);
  bootp.replace(8 + 236, 4, std::string("\x63\x82\x53\x63", 4));
  udp += std::string("\x35\x01\x01\xff", 4);
  udp[4] = static_cast<char>(udp.size() >> 8);
  udp[5] = static_cast<char>(udp.size());
  std::string ip("\x45\0\0\0\0\0\0\0\x40\x11\0\0\0\0\0\0\xff\xff\xff\xff", 20);
  const size_t total = ip.size() + udp.size();
  ip[2] = static_cast<char>(total >> 8);
  ip[3] = static_cast<char>(total);
  uint32_t sum = 0;
  for (size_t i = 0; i < ip.size(); i += 2) {
    sum += static_cast<uint8_t>(ip[i]) << 8 | static_cast<uint8_t>(ip[i + 1]);
  }
  sum = ~((sum & 0xffff) + (sum >> 16));
  ip[10] = static_cast<char>(sum >> 8);
  ip[11] = static_cast<char>(sum);
  return std::string(6, '\xff') + mac + std::string("\x08\x00", 2) + ip + udp;
}

TEST_F(NetBackendsTest, UserStackAnswersDhcp) {
  const auto net = CheckUserNet({});
  ASSERT_TRUE(net);
  auto user = User::Create("n", *net, {}, loop_);
  ASSERT_TRUE(user) << user.error();
  Card card(**user);
  ASSERT_TRUE((*user)->Attach(&card, loop_));
  (*user)->StartReceiving(0);
  EXPECT_EQ(Send(**user, DhcpDiscover()), SendResult::kSent);
  ASSERT_TRUE(RunUntil([&] { return !card.frames.empty(); }));
  const std::string offered("\x0a\x00\x02\x0f", 4);  // yiaddr of the OFFER
  EXPECT_EQ(card.frames[0].substr(14 + 20 + 8 + 16, 4), offered);
}

TEST_F(NetBackendsTest, UserStackForwardsAHostPort) {
  const auto net = CheckUserNet({.hostfwd = {"tcp:127.0.0.1:0-:22"}});
  ASSERT_TRUE(net) << net.error();
  EXPECT_TRUE(User::Create("n", *net, {}, loop_));
}

class TapTest : public NetBackendsTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "needs root and /dev/net/tun";
    }
  }
  // A raw socket on the host's side of the interface, which is brought up.
  static UniqueFd HostSide(const std::string& name) {
    UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP;
    EXPECT_EQ(ioctl(control.get(), SIOCSIFFLAGS, &request), 0);
    UniqueFd raw(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(0x88b5)));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(0x88b5);
    address.sll_ifindex = static_cast<int>(if_nametoindex(name.c_str()));
    const auto* any = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    EXPECT_EQ(bind(raw.get(), any, sizeof(address)), 0);
    return raw;
  }
  // Type 0x88b5: local experiments (IEEE 802).
  static std::string Frame(const std::string& payload) {
    return std::string(6, '\xff') + std::string("\x52\x54\0\x12\x34\x56\x88\xb5", 8) + payload;
  }
};

TEST_F(TapTest, FramesGoBothWaysBehindHeaders) {
  auto device = OpenTap("", 1, true);
  ASSERT_TRUE(device) << device.error();
  const UniqueFd host = HostSide(device->name);
  Tap tap("t", std::move(*device), "", {});
  EXPECT_TRUE(tap.has_vnet_header());
  Card card(tap);
  ASSERT_TRUE(tap.Attach(&card, loop_));
  tap.StartReceiving(0);
  const std::string header(kVnetHeaderSize, '\0');
  EXPECT_EQ(Send(tap, header + Frame("to the host")), SendResult::kSent);
  std::array<char, 2000> buffer;
  ssize_t n = -1;
  ASSERT_TRUE(
      RunUntil([&] { return (n = recv(host.get(), buffer.data(), buffer.size(), 0)) > 0; }));
  EXPECT_EQ(std::string(buffer.data(), static_cast<size_t>(n)), Frame("to the host"));
  const std::string out = Frame("to the guest");
  ASSERT_EQ(send(host.get(), out.data(), out.size(), 0), static_cast<ssize_t>(out.size()));
  const auto arrived = [&] {
    for (const std::string& frame : card.frames) {
      if (frame.substr(kVnetHeaderSize) == out) return true;
    }
    return false;
  };
  EXPECT_TRUE(RunUntil(arrived));
}

TEST_F(TapTest, SeveralQueues) {
  auto device = OpenTap("davit0", 4, true);
  ASSERT_TRUE(device) << device.error();
  EXPECT_EQ(device->name, "davit0");
  Tap tap("t", std::move(*device), "", {});
  EXPECT_EQ(tap.queues(), 4U);
  EXPECT_TRUE(tap.SetActiveQueues(2));
  EXPECT_TRUE(tap.SetActiveQueues(4));
}

TEST_F(TapTest, OffloadsAreTakenByTheKernel) {
  auto device = OpenTap("", 1, true);
  ASSERT_TRUE(device) << device.error();
  Tap tap("t", std::move(*device), "", {});
  EXPECT_TRUE(tap.SetReceiveOffloads({true, true, true, true, true}));
  EXPECT_TRUE(tap.SetReceiveOffloads({}));
}

TEST_F(TapTest, InterfaceInUseIsRefusedByName) {
  auto device = OpenTap("davit0", 1, true);
  ASSERT_TRUE(device) << device.error();
  const auto again = OpenTap("davit0", 1, true);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().message,
            "could not configure /dev/net/tun (davit0): Device or resource busy");
}

TEST_F(TapTest, DescriptorThatIsNoTapIsRefused) {
  std::vector<UniqueFd> fds;
  fds.emplace_back(open("/dev/null", O_RDWR | O_CLOEXEC));
  const int number = fds[0].get();
  const auto device = AdoptTap(std::move(fds), false);
  ASSERT_FALSE(device);
  EXPECT_EQ(device.error().message, "Unable to query TUNGETIFF on FD " + std::to_string(number) +
                                        ": Inappropriate ioctl for device");
}

}  // namespace
}  // namespace davit::backend
