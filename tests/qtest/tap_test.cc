// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A network card on a tap, with the host's own UDP at its other end, in a network namespace of the
// test's own: checksums that one side leaves to the other, and several pairs of queues. Runs on
// QEMU, too.
#include <gtest/gtest.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "tests/qtest/packets.h"
#include "tests/support/virtio/virtio.h"
#include "vmm/virtio/net/wire.h"

namespace davit::qtest {
namespace {

using virtio::net::Header;

constexpr const char *kHostName = "10.9.0.1", *kGuestName = "10.9.0.2";
constexpr uint16_t kHostPort = 7001, kGuestPort = 7002;
const uint32_t kHost = Address(kHostName), kGuest = Address(kGuestName);
constexpr uint64_t kGuestCsum = uint64_t{1} << 1, kHostUfo = uint64_t{1} << 14;
constexpr uint8_t kNeedsChecksum = 1, kGsoUdp = 3;

class TapQtest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
      GTEST_SKIP() << "needs root and /dev/net/tun";
    }
  }
  // tap, card: further properties of the two.
  void Boot(const std::string& tap, const std::string& card, uint64_t features) {
    machine_ = std::make_unique<Machine>(std::vector<std::string>{
        "-M", "q35", "-netdev", "tap,id=n,ifname=dv0,script=no,downscript=no" + tap, "-device",
        "virtio-net-pci,netdev=n,mac=52:54:00:12:34:56" + card});
    SetUpHost();
    card_ = FindVirtio(*machine_, virtio::kIdNet);
    ASSERT_TRUE(card_->Start({.features = features}));
    for (uint16_t queue = 0; queue + 1 < card_->queues(); queue = uint16_t(queue + 2)) {
      for (int i = 0; i < 16; ++i) card_->queue(queue).Add(Request().Writable(2048));
      card_->queue(queue).Kick();
    }
  }
  // Sends a datagram of the guest on a queue. header: what the card is told of it.
  void Transmit(uint16_t queue, const std::string& udp, Header header = {}) {
    const std::string frame =
        std::string(6, '\xff') + kMac + Be(0x0800, 2) + Ip(kProtocolUdp, kGuest, kHost, udp);
    EXPECT_TRUE(card_->queue(queue).Do(Request().Struct(header).Readable(frame)));
  }
  // The next datagram of the host on a queue of the guest.
  struct Datagram {
    Header header{};
    std::string udp;
  };
  Datagram Receive(uint16_t queue) {
    for (;;) {
      const auto used = card_->queue(queue).Wait();
      if (!used || used->bytes.size() < sizeof(Header)) return {};
      Datagram datagram;
      std::memcpy(&datagram.header, used->bytes.data(), sizeof(Header));
      const std::string frame = used->text().substr(sizeof(Header));
      // The host says other things, too.
      if (Number(frame, 12, 2) != 0x0800 || Number(frame, 23, 1) != kProtocolUdp) continue;
      datagram.udp = frame.substr(kEthernet + kIp, Number(frame, kEthernet + 2, 2) - kIp);
      return datagram;
    }
  }
  void SendFromHost(const std::string& data) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(kGuestPort);
    to.sin_addr.s_addr = htonl(kGuest);
    ASSERT_EQ(sendto(host_.get(), data.data(), data.size(), 0, Any(to), sizeof(to)),
              static_cast<ssize_t>(data.size()));
  }
  // What the host's socket hears next.
  std::string HeardByHost() {
    std::string text(9000, '\0');
    const ssize_t n = recv(host_.get(), text.data(), text.size(), 0);
    text.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return text;
  }
  Virtio& card() { return *card_; }

 private:
  template <typename T>
  static const sockaddr* Any(const T& address) {
    return static_cast<const sockaddr*>(static_cast<const void*>(&address));
  }
  static sockaddr Sockaddr(uint32_t address) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(address);
    sockaddr any{};
    std::memcpy(&any, &in, sizeof(any));
    return any;
  }
  void SetUpHost() {
    host_ = UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::string("dv0").copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_addr = Sockaddr(kHost);
    ASSERT_EQ(ioctl(host_.get(), SIOCSIFADDR, &request), 0);
    request.ifr_flags = IFF_UP;
    ASSERT_EQ(ioctl(host_.get(), SIOCSIFFLAGS, &request), 0);
    arpreq neighbour{};  // nobody answers ARP
    neighbour.arp_pa = Sockaddr(kGuest);
    neighbour.arp_ha.sa_family = ARPHRD_ETHER;
    std::memcpy(neighbour.arp_ha.sa_data, kMac.data(), kMac.size());
    neighbour.arp_flags = ATF_COM | ATF_PERM;
    ASSERT_EQ(ioctl(host_.get(), SIOCSARP, &neighbour), 0);
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(kHostPort);
    own.sin_addr.s_addr = htonl(kHost);
    ASSERT_EQ(bind(host_.get(), Any(own), sizeof(own)), 0);
    const timeval patience{testing::kPatience.count() / 1000, 0};
    ASSERT_EQ(setsockopt(host_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
  }

  const std::string kMac = std::string("\x52\x54\0\x12\x34\x56", 6);
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Virtio> card_;
  UniqueFd host_;
};

// A datagram whose checksum is of its pseudo header alone, or whole.
std::string WithChecksum(std::string udp, bool whole) {
  const std::string pseudo = Pseudo(kProtocolUdp, kGuest, kHost, udp);
  const uint16_t sum = whole ? Checksum(pseudo + udp) : static_cast<uint16_t>(~Checksum(pseudo));
  return udp.replace(6, 2, Be(sum, 2));
}

TEST_F(TapQtest, TheHostFinishesChecksumsOfTheGuest) {
  Boot("", "", ~uint64_t{0});
  const auto udp = [](const char* text) { return Udp(kGuestPort, kHostPort, text); };
  Transmit(1, WithChecksum(udp("by the guest"), true));
  EXPECT_EQ(HeardByHost(), "by the guest");
  // A wrong one is found out; one that is said to be begun is not.
  Transmit(1, WithChecksum(udp("wrong"), false));
  Header header{};
  header.flags = kNeedsChecksum;
  header.csum_start = static_cast<uint16_t>(kEthernet + kIp);
  header.csum_offset = uint16_t{6};
  Transmit(1, WithChecksum(udp("by the host"), false), header);
  EXPECT_EQ(HeardByHost(), "by the host");
}

// Longer than a frame may be on the wire: fragmentation is left to the host (UFO).
TEST_F(TapQtest, TheHostCutsDatagramsOfTheGuest) {
  Boot("", "", ~uint64_t{0});
  ASSERT_TRUE(card().Has(kHostUfo));
  const std::string data(4000, 'd');
  Header header{};
  header.flags = kNeedsChecksum;
  header.gso_type = kGsoUdp;
  header.hdr_len = static_cast<uint16_t>(kEthernet + kIp + kUdp);
  header.gso_size = uint16_t{1480};
  header.csum_start = static_cast<uint16_t>(kEthernet + kIp);
  header.csum_offset = uint16_t{6};
  Transmit(1, WithChecksum(Udp(kGuestPort, kHostPort, data), false), header);
  EXPECT_TRUE(HeardByHost() == data);
}

TEST_F(TapQtest, TheGuestFinishesChecksumsOfTheHost) {
  Boot("", "", ~uint64_t{0});
  SendFromHost("begun");
  const Datagram datagram = Receive(0);
  EXPECT_EQ(datagram.udp.substr(kUdp), "begun");
  EXPECT_EQ(datagram.header.flags, kNeedsChecksum);
  EXPECT_EQ(datagram.header.csum_start, kEthernet + kIp);
  EXPECT_EQ(datagram.header.csum_offset, 6);
}

TEST_F(TapQtest, AGuestThatCannotGetsWholeChecksums) {
  Boot("", "", ~kGuestCsum);
  SendFromHost("whole");
  const Datagram datagram = Receive(0);
  EXPECT_EQ(datagram.udp.substr(kUdp), "whole");
  EXPECT_EQ(datagram.header.flags, 0);
  EXPECT_EQ(Checksum(Pseudo(kProtocolUdp, kHost, kGuest, datagram.udp) + datagram.udp), 0);
}

// The host answers a flow on the pair of queues that it came from.
TEST_F(TapQtest, EachPairOfQueuesCarriesItsFlows) {
  Boot(",queues=2", ",mq=on,vectors=6", ~uint64_t{0});
  EXPECT_EQ(card().Config<uint16_t>(8), 2) << "max_virtqueue_pairs";
  ASSERT_EQ(card().queues(), 5);
  const auto used = card().queue(4).Do(
      Request().Readable(std::string("\4\0", 2)).Readable(std::string("\2\0", 2)).Writable(1));
  ASSERT_TRUE(used);
  ASSERT_EQ(used->bytes, std::vector<uint8_t>{0}) << "VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET";
  for (const uint16_t pair : {1, 0}) {
    Transmit(static_cast<uint16_t>(2 * pair + 1),
             WithChecksum(Udp(kGuestPort, kHostPort, "question"), true));
    EXPECT_EQ(HeardByHost(), "question");
    SendFromHost("answer");
    EXPECT_EQ(Receive(static_cast<uint16_t>(2 * pair)).udp.substr(kUdp), "answer") << pair;
  }
}

}  // namespace
}  // namespace davit::qtest
