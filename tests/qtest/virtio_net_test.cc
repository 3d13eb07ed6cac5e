// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Network cards end to end, on both transports: frames to and from a socket and the user-mode
// stack, buffers that run out and come back, the control queue and what the monitor tells of it.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "tests/support/process.h"
#include "tests/support/virtio/virtio.h"

namespace davit::qtest {
namespace {

using json::Object;
using json::Value;

constexpr uint16_t kNet = 1;  // virtio 1.2, 5.1
constexpr uint16_t kRx = 0, kTx = 1, kControl = 2;
constexpr size_t kHeader = 12;
constexpr uint64_t Bit(unsigned n) { return uint64_t{1} << n; }
// What QEMU 7.2 offers on a back end without headers, the legacy GSO bit aside:
// CTRL_GUEST_OFFLOADS, MAC, MRG_RXBUF, STATUS, CTRL_*, GUEST_ANNOUNCE.
constexpr uint64_t kFeatures =
    Bit(2) | Bit(5) | Bit(15) | Bit(16) | Bit(17) | Bit(18) | Bit(19) | Bit(20) | Bit(21) | Bit(23);

std::string Frame(const std::string& payload, const std::string& to = std::string(6, '\xff')) {
  std::string frame = to + std::string("\x52\x54\0\x12\x34\x57\x88\xb5", 8) + payload;
  frame.resize(std::max<size_t>(frame.size(), 60));
  return frame;
}

// The other end of a dgram netdev.
class Wire {
 public:
  explicit Wire(const testing::TempDir& dir) : path_(dir.File("wire")), card_(dir.File("card")) {
    fd_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un name = Name(path_);
    EXPECT_EQ(bind(fd_.get(), Any(name), sizeof(name)), 0);
  }
  std::string netdev() const {
    return "dgram,id=n,local.type=unix,local.path=" + card_ +
           ",remote.type=unix,remote.path=" + path_;
  }
  bool Send(const std::string& frame) {
    const sockaddr_un name = Name(card_);
    return sendto(fd_.get(), frame.data(), frame.size(), 0, Any(name), sizeof(name)) ==
           static_cast<ssize_t>(frame.size());
  }
  // What has come; "" when there is nothing.
  std::string Receive() {
    std::string frame(2000, '\0');
    const ssize_t n = recv(fd_.get(), frame.data(), frame.size(), 0);
    frame.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return frame;
  }

 private:
  static sockaddr_un Name(const std::string& path) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof(name.sun_path) - 1);
    return name;
  }
  static const sockaddr* Any(const sockaddr_un& name) {
    return static_cast<const sockaddr*>(static_cast<const void*>(&name));
  }
  const std::string path_, card_;
  UniqueFd fd_;
};

class VirtioNetTest : public ::testing::TestWithParam<const char*> {
 protected:
  bool pci() const { return std::string_view(GetParam()) == "q35"; }
  void Boot(const std::string& netdev) {
    machine_ = std::make_unique<Machine>(std::vector<std::string>{
        "-M", GetParam(), "-netdev", netdev, "-device",
        std::string(pci() ? "virtio-net-pci" : "virtio-net-device") + ",netdev=n,id=n0"});
    card_ = FindVirtio(*machine_, kNet);
    ASSERT_TRUE(card_->Start());
  }
  void PostBuffers(int n) {
    for (int i = 0; i < n; ++i) card_->queue(kRx).Add(Request().Writable(2048));
    card_->queue(kRx).Kick();
  }
  void Transmit(const std::string& frame) {
    EXPECT_TRUE(
        card_->queue(kTx).Do(Request().Readable(std::string(kHeader, '\0')).Readable(frame)));
  }
  // The next frame without its header, "" when none came.
  std::string Received() {
    const auto used = card_->queue(kRx).Wait();
    return used && used->length >= kHeader ? used->text().substr(kHeader) : "";
  }
  // The next frame that the card sent, "" when none came.
  std::string Sent() {
    std::string frame;
    EXPECT_TRUE(machine_->WaitFor([&] { return !(frame = wire_.Receive()).empty(); }));
    return frame;
  }
  int Control(uint8_t cls, uint8_t command, const std::string& data) {
    const std::string head{static_cast<char>(cls), static_cast<char>(command)};
    Request request;
    request.Readable(head);
    if (!data.empty()) request.Readable(data);  // a descriptor is not empty
    const auto used = card_->queue(kControl).Do(request.Writable(1));
    return used && used->length == 1 ? used->bytes[0] : -1;
  }
  Value Filter() {
    const Value rows = machine_->Qmp("query-rx-filter", Object{{"name", "n0"}});
    return (*rows.AsArray())[0];
  }
  void SetLink(const char* name, bool up) {
    machine_->Qmp("set_link", Object{{"name", name}, {"up", up}});
  }

  testing::TempDir dir_;
  Wire wire_{dir_};
  std::unique_ptr<Machine> machine_;
  std::unique_ptr<Virtio> card_;
};

INSTANTIATE_TEST_SUITE_P(Transports, VirtioNetTest, ::testing::Values("microvm", "q35"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(VirtioNetTest, OffersWhatQemuOffers) {
  Boot(wire_.netdev());
  EXPECT_EQ(card_->OfferedFeatures() & (Bit(24) - 1), kFeatures);
  EXPECT_EQ(card_->Config<uint8_t>(0), 0x52);
  EXPECT_EQ(card_->Config<uint8_t>(5), 0x56);
  EXPECT_EQ(card_->Config<uint16_t>(6), 1) << "the link is up";
  EXPECT_EQ(card_->QueueMax(kRx), 256);
  EXPECT_EQ(card_->QueueMax(kControl), 64);
}

TEST_P(VirtioNetTest, FramesGoBothWays) {
  Boot(wire_.netdev());
  Transmit(Frame("out"));
  EXPECT_EQ(Sent(), Frame("out"));
  PostBuffers(4);
  ASSERT_TRUE(wire_.Send(Frame("in")));
  EXPECT_EQ(Received(), Frame("in"));
  EXPECT_TRUE(card_->queue(kRx).TakeInterrupt());
}

TEST_P(VirtioNetTest, NothingIsLostWhenBuffersRunOut) {
  Boot(wire_.netdev());
  PostBuffers(1);
  for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(wire_.Send(Frame(text)));
  EXPECT_EQ(Received(), Frame("one"));
  PostBuffers(1);
  EXPECT_EQ(Received(), Frame("two"));
  PostBuffers(1);
  EXPECT_EQ(Received(), Frame("three"));
}

// The wire takes few frames before it is read; the rest wait in the queue.
TEST_P(VirtioNetTest, NothingIsLostOrDoubledWhenTheWireIsFull) {
  Boot(wire_.netdev());
  constexpr int kFrames = 60;
  Queue& queue = card_->queue(kTx);
  for (int i = 0; i < kFrames; ++i) {
    queue.Add(Request().Readable(std::string(kHeader, '\0')).Readable(Frame(std::to_string(i))));
  }
  queue.Kick();
  int done = 0;
  while (queue.Take()) ++done;
  EXPECT_GT(done, 0);
  EXPECT_LT(done, kFrames) << "the wire was never full";
  // A driver that goes on kicking changes nothing.
  queue.Kick(true);
  for (int i = 0; i < kFrames; ++i) EXPECT_EQ(Sent(), Frame(std::to_string(i)));
  for (; done < kFrames; ++done) ASSERT_TRUE(queue.Wait());
  EXPECT_EQ(wire_.Receive(), "");
  Transmit(Frame("after"));
  EXPECT_EQ(Sent(), Frame("after"));
}

// A reset while frames wait for the wire forgets them and leaves a card that works.
TEST_P(VirtioNetTest, ResetWithTheWireFullStartsAfresh) {
  Boot(wire_.netdev());
  Queue& queue = card_->queue(kTx);
  for (int i = 0; i < 60; ++i) {
    queue.Add(Request().Readable(std::string(kHeader, '\0')).Readable(Frame("old")));
  }
  queue.Kick();
  ASSERT_TRUE(card_->Start());
  std::string frame;
  while ((frame = wire_.Receive()) == Frame("old")) {
  }
  EXPECT_EQ(frame, "");
  Transmit(Frame("new"));
  EXPECT_EQ(Sent(), Frame("new"));
}

TEST_P(VirtioNetTest, TheLinkFollowsTheMonitor) {
  Boot(wire_.netdev());
  SetLink("n0", false);
  EXPECT_EQ(card_->Config<uint16_t>(6), 0);
  EXPECT_TRUE(card_->TakeConfigInterrupt());
  Transmit(Frame("lost"));
  SetLink("n", true);
  EXPECT_EQ(card_->Config<uint16_t>(6), 1);
  Transmit(Frame("sent"));
  EXPECT_EQ(Sent(), Frame("sent"));
}

TEST_P(VirtioNetTest, TheFilterIsTheDriversAndIsTold) {
  Boot(wire_.netdev());
  EXPECT_EQ(Filter()["promiscuous"], Value(true));
  const std::string group("\x01\x00\x5e\x00\x00\x01", 6);
  const Value table(json::Array{Value("01:00:5e:00:00:01")});
  EXPECT_EQ(Control(0, 0, std::string(1, '\0')), 0);  // not promiscuous
  EXPECT_EQ(Control(1, 0, std::string("\0\0\0\0\1\0\0\0", 8) + group), 0);
  const auto event = machine_->qmp().WaitEvent("NIC_RX_FILTER_CHANGED");
  ASSERT_TRUE(event) << event.error();
  EXPECT_EQ(event->data["name"], Value("n0"));
  EXPECT_EQ(event->data["path"],
            Value(pci() ? "/machine/peripheral/n0/virtio-backend" : "/machine/peripheral/n0"));
  const Value filter = Filter();
  EXPECT_EQ(filter["promiscuous"], Value(false));
  EXPECT_EQ(filter["multicast-table"], table);
  PostBuffers(4);
  ASSERT_TRUE(wire_.Send(Frame("other", std::string("\x52\x54\0\0\0\x01", 6))));
  ASSERT_TRUE(wire_.Send(Frame("group", group)));
  EXPECT_EQ(Received(), Frame("group", group));
  // A table that is longer than its bytes changes nothing.
  EXPECT_EQ(Control(1, 0, std::string("\xff\xff\xff\x7f", 4)), 1);
  EXPECT_EQ(Filter()["multicast-table"], table);
}

TEST_P(VirtioNetTest, AnnouncementsReachTheWireAndTheDriver) {
  Boot(wire_.netdev());
  machine_->Qmp("announce-self", Object{{"initial", 1}, {"max", 1}, {"rounds", 2}, {"step", 0}});
  const std::string mac("\x52\x54\0\x12\x34\x56", 6);
  for (int round = 0; round < 2; ++round) {
    const std::string frame = Sent();
    ASSERT_EQ(frame.size(), 60U);
    EXPECT_EQ(frame.substr(0, 14), std::string(6, '\xff') + mac + "\x80\x35");
    EXPECT_EQ(frame.substr(20, 8), std::string("\0\x03", 2) + mac) << "request reverse";
  }
  EXPECT_EQ(card_->Config<uint16_t>(6), 3) << "link up, announce";
  EXPECT_EQ(Control(3, 0, ""), 0);
  EXPECT_EQ(card_->Config<uint16_t>(6), 1);
}

TEST_P(VirtioNetTest, ANetdevThatGoesLeavesTheCard) {
  Boot(wire_.netdev());
  machine_->Qmp("netdev_del", Object{{"id", "n"}});
  EXPECT_EQ(card_->Config<uint16_t>(6), 0);
  Transmit(Frame("lost"));
  EXPECT_FALSE(card_->NeedsReset());
}

// "Who has 10.0.2.2?" of 10.0.2.15.
std::string ArpRequest() {
  return std::string(6, '\xff') +
         std::string("\x52\x54\0\x12\x34\x56\x08\x06\0\x01\x08\0\x06\x04\0\x01", 16) +
         std::string("\x52\x54\0\x12\x34\x56\x0a\0\x02\x0f", 10) + std::string(6, '\0') +
         std::string("\x0a\0\x02\x02", 4) + std::string(18, '\0');
}

bool IsSynForPort22(const std::string& frame) {
  return frame.size() >= 54 && frame.substr(12, 2) == std::string("\x08\0", 2) && frame[23] == 6 &&
         frame.substr(36, 2) == std::string("\0\x16", 2) && (frame[47] & 0x02) != 0;
}

TEST_P(VirtioNetTest, TheUserStackForwardsAPortOfTheHost) {
  UniqueFd probe(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = static_cast<sockaddr*>(static_cast<void*>(&address));
  ASSERT_EQ(bind(probe.get(), any, size), 0);
  ASSERT_EQ(getsockname(probe.get(), any, &size), 0);
  probe.reset();
  Boot("user,id=n,hostfwd=tcp:127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "-:22");
  PostBuffers(16);
  Transmit(ArpRequest());
  const std::string answer = Received();
  ASSERT_GE(answer.size(), 42U);
  EXPECT_EQ(answer.substr(20, 2), std::string("\0\x02", 2)) << "an ARP reply";
  EXPECT_EQ(answer.substr(28, 4), std::string("\x0a\0\x02\x02", 4));
  UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(connect(client.get(), any, sizeof(address)), 0);
  // Maybe behind other frames.
  bool syn = false;
  for (int i = 0; i < 15 && !syn; ++i) {
    const std::string frame = Received();
    ASSERT_FALSE(frame.empty());
    syn = IsSynForPort22(frame);
  }
  EXPECT_TRUE(syn);
}

}  // namespace
}  // namespace davit::qtest
