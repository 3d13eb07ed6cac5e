// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -netdev socket, stream and dgram over IP: what a frame is on the wire of each, both ways, in a
// network namespace of the test's own, whose ports nobody else has. Runs on QEMU, too.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "tests/support/virtio/virtio.h"

namespace davit::qtest {
namespace {

constexpr size_t kHeader = 12;
constexpr uint16_t kCardPort = 7001, kTestPort = 7002, kGroupPort = 7003;
constexpr const char* kGroup = "239.1.2.3";

std::string Frame(const std::string& payload) {
  std::string frame =
      std::string(6, '\xff') + std::string("\x52\x54\0\x12\x34\x57\x88\xb5", 8) + payload;
  frame.resize(60);
  return frame;
}

sockaddr_in At(const char* host, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = inet_addr(host);
  address.sin_port = htons(port);
  return address;
}
const sockaddr* Any(const sockaddr_in& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

class NetWireTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs root";
    const UniqueFd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::string("lo").copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_UP;
    ASSERT_EQ(ioctl(control.get(), SIOCSIFFLAGS, &request), 0);
  }
  void Boot(const std::string& netdev) {
    machine_ = std::make_unique<Machine>(std::vector<std::string>{
        "-M", "q35", "-netdev", netdev, "-device", "virtio-net-pci,netdev=n"});
    card_ = FindVirtio(*machine_, virtio::kIdNet);
    ASSERT_TRUE(card_->Start());
    for (int i = 0; i < 8; ++i) card_->queue(0).Add(Request().Writable(2048));
    card_->queue(0).Kick();
  }
  void Transmit(const std::string& frame) {
    EXPECT_TRUE(card_->queue(1).Do(Request().Readable(std::string(kHeader, '\0')).Readable(frame)));
  }
  std::string Received() {
    const auto used = card_->queue(0).Wait();
    return used && used->length >= kHeader ? used->text().substr(kHeader) : "";
  }
  // Exactly these bytes, or what came of them.
  static std::string Read(int fd, size_t bytes) {
    std::string text(bytes, '\0');
    const ssize_t n = recv(fd, text.data(), bytes, MSG_WAITALL);
    text.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return text;
  }
  // The frames of a stream have their length before them, big-endian.
  static std::string Framed(const std::string& frame) {
    return std::string("\0\0\0", 3) + static_cast<char>(frame.size()) + frame;
  }
  void ExpectStream(int peer) {
    Transmit(Frame("out"));
    EXPECT_EQ(Read(peer, 64), Framed(Frame("out")));
    const std::string two = Framed(Frame("in")) + Framed(Frame("again"));
    ASSERT_EQ(send(peer, two.data(), two.size(), 0), static_cast<ssize_t>(two.size()));
    EXPECT_EQ(Received(), Frame("in"));
    EXPECT_EQ(Received(), Frame("again"));
  }
  // Whose reads do not wait for ever.
  static UniqueFd Socket(int type) {
    UniqueFd fd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    const timeval patience{testing::kPatience.count() / 1000, 0};
    EXPECT_EQ(setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    return fd;
  }
  static UniqueFd Bound(int type, uint16_t port) {
    UniqueFd fd = Socket(type);
    const sockaddr_in own = At("127.0.0.1", port);
    EXPECT_EQ(bind(fd.get(), Any(own), sizeof(own)), 0);
    return fd;
  }
  // echo: who sends hears itself.
  void ExpectDatagrams(int fd, const sockaddr_in& to, bool echo = false) {
    Transmit(Frame("out"));
    EXPECT_EQ(Read(fd, 2000), Frame("out"));
    if (echo) {
      EXPECT_EQ(Received(), Frame("out"));
    }
    const std::string frame = Frame("in");
    ASSERT_EQ(sendto(fd, frame.data(), frame.size(), 0, Any(to), sizeof(to)),
              static_cast<ssize_t>(frame.size()));
    EXPECT_EQ(Received(), frame);
  }

  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Virtio> card_;
};

TEST_F(NetWireTest, SocketThatListens) {
  Boot("socket,id=n,listen=127.0.0.1:7001");
  const UniqueFd peer = Socket(SOCK_STREAM);
  const sockaddr_in address = At("127.0.0.1", kCardPort);
  ASSERT_EQ(connect(peer.get(), Any(address), sizeof(address)), 0);
  // When it has heard the peer it has taken the connection.
  const std::string frame = Framed(Frame("first"));
  ASSERT_EQ(send(peer.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  EXPECT_EQ(Received(), Frame("first"));
  ExpectStream(peer.get());
}

TEST_F(NetWireTest, SocketThatConnects) {
  const UniqueFd listener = Bound(SOCK_STREAM, kTestPort);
  ASSERT_EQ(listen(listener.get(), 1), 0);
  Boot("socket,id=n,connect=127.0.0.1:7002");
  const UniqueFd peer(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(peer);
  ExpectStream(peer.get());
}

TEST_F(NetWireTest, SocketOverUdp) {
  const UniqueFd fd = Bound(SOCK_DGRAM, kTestPort);
  Boot("socket,id=n,udp=127.0.0.1:7002,localaddr=127.0.0.1:7001");
  ExpectDatagrams(fd.get(), At("127.0.0.1", kCardPort));
}

TEST_F(NetWireTest, DatagramsOverIp) {
  const UniqueFd fd = Bound(SOCK_DGRAM, kTestPort);
  Boot(
      "dgram,id=n,local.type=inet,local.host=127.0.0.1,local.port=7001,"
      "remote.type=inet,remote.host=127.0.0.1,remote.port=7002");
  ExpectDatagrams(fd.get(), At("127.0.0.1", kCardPort));
}

TEST_F(NetWireTest, SocketOfAMulticastGroup) {
  const UniqueFd fd = Socket(SOCK_DGRAM);
  const int on = 1;
  ASSERT_EQ(setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
  const sockaddr_in group = At(kGroup, kGroupPort);
  ASSERT_EQ(bind(fd.get(), Any(group), sizeof(group)), 0);
  const ip_mreq membership{group.sin_addr, At("127.0.0.1", 0).sin_addr};
  ASSERT_EQ(setsockopt(fd.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)),
            0);
  ASSERT_EQ(setsockopt(fd.get(), IPPROTO_IP, IP_MULTICAST_IF, &membership.imr_interface,
                       sizeof(membership.imr_interface)),
            0);
  Boot("socket,id=n,mcast=239.1.2.3:7003,localaddr=127.0.0.1");
  ExpectDatagrams(fd.get(), group, true);
}

}  // namespace
}  // namespace davit::qtest
