// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -netdev user with a test as the guest, which speaks ARP, DHCP, TFTP and as much of TCP as a
// connection needs: what each option does on the wire. Runs on QEMU, too.
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "tests/qtest/packets.h"
#include "tests/support/process.h"
#include "tests/support/virtio/virtio.h"

namespace davit::qtest {
namespace {

constexpr size_t kTcp = 20, kIp6 = 40;
constexpr uint8_t kProtocolIcmp6 = 58;
constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kPush = 8, kAck = 16;

struct Segment {
  uint16_t from = 0;
  uint32_t sequence = 0;
  uint8_t flags = 0;
  std::string data;
};

class Guest {
 public:
  explicit Guest(const std::string& options, std::vector<std::string> args = {}) {
    args.insert(args.end(), {"-M", "q35", "-netdev", "user,id=n" + options, "-device",
                             "virtio-net-pci,netdev=n,mac=52:54:00:12:34:56"});
    machine_ = std::make_unique<Machine>(args);
    card_ = FindVirtio(*machine_, virtio::kIdNet);
    if (!card_->Start()) machine_->Die("the card does not start");
    for (int i = 0; i < 64; ++i) card_->queue(0).Add(Request().Writable(2048));
    card_->queue(0).Kick();
  }
  Machine& machine() { return *machine_; }

  // The address that packets come from, told to the network.
  void TakeAddress(uint32_t address, uint32_t asked) {
    address_ = address;
    Send(0x0806, Be(1, 2) + Be(0x0800, 2) + "\x06\x04" + Be(1, 2) + kMac + Be(address, 4) +
                     std::string(6, '\0') + Be(asked, 4));
  }
  void SendUdp(uint32_t to, uint16_t from_port, uint16_t to_port, const std::string& data) {
    SendIp(kProtocolUdp, to, Udp(from_port, to_port, data));
  }
  // The data of the next datagram to `port`; "" when none came.
  std::string ReceiveUdp(uint16_t port) {
    const std::string packet = ReceiveIp(kProtocolUdp, port);
    return packet.empty() ? packet : packet.substr(kEthernet + kIp + kUdp);
  }

  void SendTcp(uint32_t to, uint16_t to_port, uint32_t sequence, uint32_t acknowledged,
               uint8_t flags, const std::string& data = "") {
    std::string segment = Be(port_, 2) + Be(to_port, 2) + Be(sequence, 4) + Be(acknowledged, 4) +
                          Be(kTcp / 4 << 12 | flags, 2) + Be(8192, 2) + Be(0, 4) + data;
    segment.replace(16, 2, Be(Checksum(Pseudo(kProtocolTcp, address_, to, segment) + segment), 2));
    SendIp(kProtocolTcp, to, segment);
  }
  // The next one of the connection; flags 0: none came.
  Segment ReceiveTcp() {
    const std::string packet = ReceiveIp(kProtocolTcp, port_);
    if (packet.empty()) return {};
    const size_t at = kEthernet + kIp, length = Number(packet, kEthernet + 2, 2) - kIp;
    const std::string segment = packet.substr(at, length);
    return {static_cast<uint16_t>(Number(segment, 0, 2)), Number(segment, 4, 4),
            static_cast<uint8_t>(Number(segment, 13, 1) & 0x3f),
            segment.substr(Number(segment, 12, 1) / 16 * 4)};
  }
  // A packet of IPv6 (RFC 8200) to a multicast MAC; "": none of this type came.
  void SendIcmp6(const std::string& from, const std::string& to, std::string message) {
    const std::string pseudo = from + to + Be(message.size(), 4) + Be(kProtocolIcmp6, 4);
    message.replace(2, 2, Be(Checksum(pseudo + message), 2));
    Send(0x86dd, Be(0x60000000, 4) + Be(message.size(), 2) + Be(kProtocolIcmp6, 1) + "\xff" + from +
                     to + message);
  }
  std::string ReceiveIcmp6(uint8_t type) {
    for (;;) {
      const std::string frame = ReceiveFrame();
      if (frame.empty()) return "";
      if (Number(frame, 12, 2) == 0x86dd && Number(frame, 20, 1) == kProtocolIcmp6 &&
          Number(frame, kEthernet + kIp6, 1) == type) {
        return frame.substr(kEthernet + kIp6);
      }
    }
  }

  // Opens a connection; false: refused.
  bool Connect(uint32_t to, uint16_t port) {
    to_ = to;
    to_port_ = port;
    ++port_;
    SendTcp(to, port, kFirst, 0, kSyn);
    const Segment answer = ReceiveTcp();
    if (answer.flags != (kSyn | kAck)) {
      EXPECT_EQ(answer.flags & kRst, kRst) << "neither taken nor refused";
      return false;
    }
    sent_ = kFirst + 1;
    received_ = answer.sequence + 1;
    SendTcp(to, port, sent_, received_, kAck);
    return true;
  }
  void Say(const std::string& data) {
    SendTcp(to_, to_port_, sent_, received_, kPush | kAck, data);
    sent_ += static_cast<uint32_t>(data.size());
  }
  // What comes on the connection up to this many bytes.
  std::string Hear(size_t bytes) {
    std::string all;
    while (all.size() < bytes) {
      const Segment segment = ReceiveTcp();
      if (segment.flags == 0 || (segment.flags & (kRst | kFin)) != 0) break;
      if (segment.sequence != received_) continue;  // sent again
      all += segment.data;
      received_ += static_cast<uint32_t>(segment.data.size());
      SendTcp(to_, to_port_, sent_, received_, kAck);
    }
    return all;
  }

  // Whether the network has taken every frame.
  bool HasSentAll() {
    while (card_->queue(1).Take()) --sending_;
    return sending_ == 0;
  }
  // The frame of the next packet of this kind to `port`; "" when none came.
  std::string ReceiveIp(uint8_t protocol, uint16_t port) {
    for (;;) {
      const std::string frame = ReceiveFrame();
      if (frame.empty()) return "";
      if (Number(frame, 12, 2) == 0x0800 && Number(frame, 23, 1) == protocol &&
          Number(frame, kEthernet + kIp + 2, 2) == port) {
        return frame;
      }
    }
  }
  // The next one; "": none came.
  std::string ReceiveFrame() {
    const auto used = card_->queue(0).Wait();
    if (!used || used->length < kHeader) return "";
    card_->queue(0).Add(Request().Writable(2048));
    card_->queue(0).Kick();
    return used->text().substr(kHeader);
  }

 private:
  void SendIp(uint8_t protocol, uint32_t to, const std::string& data) {
    Send(0x0800, Ip(protocol, address_, to, data));
  }

  static constexpr size_t kHeader = 12;
  static constexpr uint32_t kFirst = 1000;
  const std::string kMac = std::string("\x52\x54\0\x12\x34\x56", 6);

  void Send(uint16_t type, const std::string& packet) {
    const std::string frame = std::string(6, '\xff') + kMac + Be(type, 2) + packet;
    card_->queue(1).Add(Request().Readable(std::string(kHeader, '\0')).Readable(frame));
    card_->queue(1).Kick();
    ++sending_;
    HasSentAll();
  }

  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Virtio> card_;
  uint32_t address_ = 0, to_ = 0, sent_ = 0, received_ = 0;
  int sending_ = 0;                     // frames
  uint16_t to_port_ = 0, port_ = 4320;  // of the newest connection
};

const uint32_t kGuest = Address("10.0.2.15"), kHost = Address("10.0.2.2");

// The options of an answer by their numbers (RFC 2132).
std::map<int, std::string> DhcpOptions(const std::string& answer) {
  std::map<int, std::string> options;
  for (size_t at = 240; at + 1 < answer.size() && answer[at] != '\xff';) {
    const size_t length = Number(answer, at + 1, 1);
    options[static_cast<uint8_t>(answer[at])] = answer.substr(at + 2, length);
    at += 2 + length;
  }
  return options;
}

TEST(UserNet, DhcpTellsWhatTheOptionsSay) {
  Guest guest(
      ",net=192.168.76.0/24,host=192.168.76.9,dhcpstart=192.168.76.100,dns=192.168.76.5"
      ",hostname=guesty,domainname=example.org,dnssearch=a.example,bootfile=boot.img"
      ",tftp-server-name=loader");
  std::string discover = Be(0x01010600, 4) + Be(7, 4) + std::string(20, '\0') +
                         std::string("\x52\x54\0\x12\x34\x56", 6);
  discover.resize(236, '\0');
  guest.SendUdp(0xffffffff, 68, 67, discover + Be(0x63825363, 4) + "\x35\x01\x01\xff");
  const std::string offer = guest.ReceiveUdp(68);
  ASSERT_GT(offer.size(), 240U);
  EXPECT_EQ(Number(offer, 16, 4), Address("192.168.76.100"));
  EXPECT_STREQ(offer.substr(108, 128).c_str(), "boot.img");
  std::map<int, std::string> options = DhcpOptions(offer);
  EXPECT_EQ(options[53], "\x02");
  EXPECT_EQ(options[1], Be(0xffffff00, 4));
  EXPECT_EQ(options[3], Be(Address("192.168.76.9"), 4));
  EXPECT_EQ(options[6], Be(Address("192.168.76.5"), 4));
  EXPECT_EQ(options[12], "guesty");
  EXPECT_EQ(options[15], "example.org");
  EXPECT_EQ(options[66], "loader");
  EXPECT_EQ(options[119], std::string("\x01"
                                      "a"
                                      "\x07"
                                      "example\0",
                                      11));
}

// RFC 4861: a router tells the prefix of the network; a guest whose network has no IPv6 hears none.
TEST(UserNet, RouterTellsThePrefix) {
  Guest guest(",ipv6-net=fd00:9::/64,ipv6-host=fd00:9::2");
  const std::string own = Be(0xfe80, 2) + std::string(13, '\0') + '\1';
  const std::string routers = Be(0xff02, 2) + std::string(13, '\0') + '\2';
  guest.SendIcmp6(own, routers, Be(133, 1) + Be(0, 7));
  const std::string advertisement = guest.ReceiveIcmp6(134);
  std::string prefix;
  for (size_t at = 16; at + 2 <= advertisement.size();) {
    const size_t length = 8 * Number(advertisement, at + 1, 1);
    if (length == 0) break;
    if (Number(advertisement, at, 1) == 3) prefix = advertisement.substr(at, length);
    at += length;
  }
  ASSERT_EQ(prefix.size(), 32U);
  EXPECT_EQ(Number(prefix, 2, 1), 64U);
  EXPECT_EQ(prefix.substr(16), Be(0xfd000009, 4) + std::string(12, '\0'));
}

TEST(UserNet, TftpServesItsFolderAlone) {
  const testing::TempDir dir;
  std::filesystem::create_directory(dir.File("shared"));
  std::ofstream(dir.File("shared/hello")) << "hello guest";
  std::ofstream(dir.File("secret")) << "secret";
  Guest guest(",tftp=" + dir.File("shared"));
  guest.TakeAddress(kGuest, kHost);
  const auto get = [&](const std::string& name) {
    guest.SendUdp(kHost, 1069, 69, Be(1, 2) + name + '\0' + "octet" + '\0');
    return guest.ReceiveUdp(1069);
  };
  EXPECT_EQ(get("hello"), Be(3, 2) + Be(1, 2) + "hello guest");
  for (const char* name : {"../secret", "/../secret", "nothing"}) {
    EXPECT_EQ(get(name).substr(0, 2), Be(5, 2)) << name;
  }
}

TEST(UserNet, GuestForwardsReachACharacterDeviceAndACommand) {
  const testing::TempDir dir;
  const std::string path = dir.File("s");
  Guest guest(",guestfwd=tcp:10.0.2.100:80-chardev:c,guestfwd=tcp:10.0.2.101:81-cmd:cat",
              {"-chardev", "socket,id=c,path=" + path + ",server=on,wait=off"});
  const UniqueFd socket = ConnectTo(path);
  guest.TakeAddress(kGuest, kHost);
  ASSERT_TRUE(guest.Connect(Address("10.0.2.100"), 80));
  guest.Say("of the guest");
  std::string heard(12, '\0');
  ASSERT_EQ(recv(socket.get(), heard.data(), heard.size(), MSG_WAITALL), 12);
  EXPECT_EQ(heard, "of the guest");
  ASSERT_EQ(send(socket.get(), "of the host", 11, 0), 11);
  EXPECT_EQ(guest.Hear(11), "of the host");

  ASSERT_TRUE(guest.Connect(Address("10.0.2.101"), 81));
  guest.Say("come back");
  EXPECT_EQ(guest.Hear(9), "come back");
}

// The guest has been told that its bytes arrived.
TEST(UserNet, GuestForwardToAReaderWhoIsLateLosesNothing) {
  if (Machine::IsQemu()) GTEST_SKIP() << "QEMU stands still until the reader reads";
  const testing::TempDir dir;
  const std::string path = dir.File("s");
  Guest guest(",guestfwd=tcp:10.0.2.100:80-chardev:c",
              {"-chardev", "socket,id=c,path=" + path + ",server=on,wait=off"});
  const UniqueFd socket = ConnectTo(path);
  guest.TakeAddress(kGuest, kHost);
  ASSERT_TRUE(guest.Connect(Address("10.0.2.100"), 80));
  std::string said;
  do {
    const std::string piece(1400, static_cast<char>('a' + said.size() / 1400 % 26));
    said += piece;
    ASSERT_LT(said.size(), 10'000'000U) << "it is never full";
    guest.Say(piece);
  } while (guest.HasSentAll());
  std::string heard(said.size(), '\0');
  for (size_t n = 0; n < heard.size();) {
    const ssize_t more = recv(socket.get(), heard.data() + n, heard.size() - n, 0);
    ASSERT_GT(more, 0) << n;
    n += static_cast<size_t>(more);
  }
  EXPECT_TRUE(heard == said);
  EXPECT_TRUE(guest.machine().WaitFor([&] { return guest.HasSentAll(); }));
}

// In a network namespace of the test's own, where nobody else has the port.
TEST(UserNet, DatagramsAreForwardedBothWays) {
  if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root";
  const UniqueFd host(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::string("lo").copy(request.ifr_name, IFNAMSIZ - 1);
  request.ifr_flags = IFF_UP;
  ASSERT_EQ(ioctl(host.get(), SIOCSIFFLAGS, &request), 0);
  const timeval patience{testing::kPatience.count() / 1000, 0};
  ASSERT_EQ(setsockopt(host.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
  Guest guest(",hostfwd=udp:127.0.0.1:7001-10.0.2.15:7002");
  guest.TakeAddress(kGuest, kHost);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(7001);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(host.get(), static_cast<sockaddr*>(static_cast<void*>(&to)), sizeof(to)), 0);
  ASSERT_EQ(send(host.get(), "of the host", 11, 0), 11);
  const std::string packet = guest.ReceiveIp(kProtocolUdp, 7002);
  ASSERT_FALSE(packet.empty());
  EXPECT_EQ(packet.substr(kEthernet + kIp + kUdp, 11), "of the host");
  guest.SendUdp(Number(packet, kEthernet + 12, 4), 7002,
                static_cast<uint16_t>(Number(packet, kEthernet + kIp, 2)), "of the guest");
  char heard[12];
  ASSERT_EQ(recv(host.get(), heard, sizeof(heard), MSG_WAITALL), 12);
  EXPECT_EQ(std::string(heard, 12), "of the guest");
}

// 10.0.2.2 is the host's loopback, unless the guest is kept to its network.
TEST(UserNet, RestrictKeepsTheGuestFromTheHost) {
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = static_cast<sockaddr*>(static_cast<void*>(&address));
  ASSERT_EQ(bind(listener.get(), any, size), 0);
  ASSERT_EQ(listen(listener.get(), 4), 0);
  ASSERT_EQ(getsockname(listener.get(), any, &size), 0);
  for (const bool restricted : {false, true}) {
    Guest guest(restricted ? ",restrict=on" : "");
    guest.TakeAddress(kGuest, kHost);
    EXPECT_EQ(guest.Connect(kHost, ntohs(address.sin_port)), !restricted);
    pollfd waiting{listener.get(), POLLIN, 0};
    ASSERT_EQ(poll(&waiting, 1, 0), restricted ? 0 : 1);
    if (!restricted) {
      EXPECT_TRUE(UniqueFd(accept(listener.get(), nullptr, nullptr)));
    }
  }
}

}  // namespace
}  // namespace davit::qtest
