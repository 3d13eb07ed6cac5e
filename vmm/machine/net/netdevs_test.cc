// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Netdevs by id, their errors in QEMU's words, and what cards and netdevs see of each other.
#include "vmm/machine/net/netdevs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "vmm/io/asio_event_loop.h"

namespace davit::machine {
namespace {

using control::NetdevSpec;

NetdevSpec Spec(std::string type, std::string id,
                std::vector<std::pair<std::string, control::PropertyValue>> properties = {}) {
  return {std::move(type), std::move(id), std::move(properties)};
}
std::pair<std::string, control::PropertyValue> Text(std::string key, std::string value) {
  return {std::move(key), {std::move(value)}};
}

class NetdevsTest : public testing::Test {
 protected:
  std::string Add(const NetdevSpec& spec, const control::NamedFdSource& fds = {}) {
    const Status status = netdevs_.NetdevAdd(spec, fds);
    return status ? "" : status.error().message;
  }
  std::string AddNic(std::string id, std::optional<std::string> netdev) {
    auto nic = netdevs_.AddNic({std::move(id), "virtio-net-pci", std::move(netdev), std::nullopt});
    if (!nic) return nic.error().message;
    nics_.push_back(nic->row);
    return "";
  }
  std::string Info() {
    std::string text;
    for (const control::NetClientInfo& client : netdevs_.NetClients()) {
      text += (client.is_peer ? "+" : "") + client.name + ":" + std::to_string(client.index) + ":" +
              client.type + ":" + client.info + "\n";
    }
    return text;
  }

  io::AsioEventLoop loop_;
  std::vector<control::Event> events_;
  Netdevs netdevs_{
      {loop_, nullptr, [this](const control::Event& event) { events_.push_back(event); }}};
  std::vector<std::shared_ptr<NicRow>> nics_;
};

TEST_F(NetdevsTest, AnIdIsTakenOnce) {
  EXPECT_EQ(Add(Spec("user", "u")), "");
  EXPECT_EQ(Add(Spec("user", "u")), "Duplicate ID 'u'");
  EXPECT_TRUE(netdevs_.NetdevDel("u"));
  EXPECT_EQ(Add(Spec("user", "u")), "");
}

TEST_F(NetdevsTest, WhatIsNotThereIsNotFound) {
  const Status removed = netdevs_.NetdevDel("x");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::kDeviceNotFound);
  EXPECT_EQ(removed.error().message, "Device 'x' not found");
  EXPECT_EQ(netdevs_.SetLink("x", true).error().message, "Device 'x' not found");
  EXPECT_EQ(netdevs_.RxFilters("x").error().message, "invalid net client name: x");
  EXPECT_EQ(Add(Spec("user", "u")), "");
  EXPECT_EQ(netdevs_.RxFilters("u").error().message, "net client(u) isn't a NIC");
}

TEST_F(NetdevsTest, ANetdevHasOneCard) {
  EXPECT_EQ(AddNic("n", "u"), "Property 'virtio-net-device.netdev' can't find value 'u'");
  EXPECT_EQ(Add(Spec("user", "u")), "");
  EXPECT_EQ(AddNic("n", "u"), "");
  EXPECT_EQ(AddNic("m", "u"),
            "Property 'virtio-net-device.netdev' can't take value 'u', it's in use");
  nics_.clear();
  EXPECT_EQ(AddNic("m", "u"), "");
}

TEST_F(NetdevsTest, MacsCountUpAndComeBack) {
  ASSERT_EQ(AddNic("a", std::nullopt), "");
  ASSERT_EQ(AddNic("b", std::nullopt), "");
  EXPECT_EQ(nics_[0]->mac, (virtio::net::MacAddress{0x52, 0x54, 0, 0x12, 0x34, 0x56}));
  EXPECT_EQ(nics_[1]->mac.back(), 0x57);
  nics_.erase(nics_.begin());
  ASSERT_EQ(AddNic("c", std::nullopt), "");
  EXPECT_EQ(nics_[1]->mac.back(), 0x56);
}

TEST_F(NetdevsTest, InfoShowsWhoIsConnected) {
  EXPECT_EQ(Add(Spec("user", "a")), "");
  EXPECT_EQ(Add(Spec("user", "b", {Text("net", "10.5.0.0/16"), {"restrict", {true}}})), "");
  ASSERT_EQ(AddNic("n", "a"), "");
  ASSERT_EQ(AddNic("", std::nullopt), "");
  EXPECT_EQ(Info(),
            "b:0:user:net=10.5.0.0,restrict=on\n"
            "n:0:nic:model=virtio-net-pci,macaddr=52:54:00:12:34:56\n"
            "+a:0:user:net=10.0.2.0,restrict=off\n"
            "virtio-net-pci.1:0:nic:model=virtio-net-pci,macaddr=52:54:00:12:34:57\n");
  // The card keeps what it had.
  EXPECT_TRUE(netdevs_.NetdevDel("a"));
  EXPECT_NE(Info().find("+a:0:user:net=10.0.2.0,restrict=off\n"), std::string::npos);
  const std::vector<std::string> alone{"netdev b has no peer", "nic virtio-net-pci.1 has no peer"};
  EXPECT_EQ(netdevs_.Unconnected(), alone);
}

// What QEMU says to the same.
TEST_F(NetdevsTest, MembersThatDoNotGoTogether) {
  const auto socket = [](std::vector<std::pair<std::string, control::PropertyValue>> p) {
    return Spec("socket", "x", std::move(p));
  };
  EXPECT_EQ(Add(socket({})), "exactly one of listen=, connect=, mcast= or udp= is required");
  EXPECT_EQ(Add(socket({Text("listen", ":1"), Text("connect", ":2")})),
            "exactly one of listen=, connect=, mcast= or udp= is required");
  EXPECT_EQ(Add(socket({Text("listen", "foo")})),
            "host address 'foo' doesn't contain ':' separating host from port");
  EXPECT_EQ(Add(socket({Text("listen", ":1"), Text("localaddr", "1.2.3.4:5")})),
            "localaddr= is only valid with mcast= or udp=");
  EXPECT_EQ(Add(socket({Text("udp", "127.0.0.1:1")})), "localaddr= is mandatory with udp=");
  EXPECT_EQ(Add(socket({Text("mcast", "10.0.0.1:1234")})),
            "specified mcastaddr 10.0.0.1 (0x0a000001) does not contain a multicast address");
  EXPECT_EQ(Add(Spec("dgram", "x")), "dgram requires local= parameter");
  EXPECT_EQ(Add(Spec("dgram", "x", {Text("local.type", "unix"), Text("local.path", "/x")})),
            "type=inet or type=unix requires remote parameter");
  EXPECT_EQ(Add(Spec("dgram", "x", {Text("local.type", "unix"), Text("remote.type", "inet")})),
            "remote and local types must be the same");
  EXPECT_EQ(Add(Spec("tap", "x", {Text("fd", "3"), Text("ifname", "y")})),
            "ifname=, script=, downscript=, vnet_hdr=, helper=, queues=, fds=, and vhostfds= are "
            "invalid with fd=");
  EXPECT_EQ(Add(Spec("tap", "x", {Text("helper", "a"), Text("ifname", "y")})),
            "ifname=, script=, downscript=, vnet_hdr=, queues=, and vhostfds= are invalid with "
            "helper=");
  EXPECT_EQ(Info(), "");
}

TEST_F(NetdevsTest, DescriptorsAreChecked) {
  EXPECT_EQ(Add(Spec("tap", "x", {Text("fd", "abc")})), "Invalid file descriptor number 'abc'");
  EXPECT_EQ(Add(Spec("tap", "x", {Text("fd", "999")})),
            "x: Can't use file descriptor 999: Bad file descriptor");
  const int fd = open("/dev/null", O_RDWR);
  EXPECT_EQ(
      Add(Spec("tap", "x", {Text("fd", std::to_string(fd))})),
      "Unable to query TUNGETIFF on FD " + std::to_string(fd) + ": Inappropriate ioctl for device");
  EXPECT_EQ(Add(Spec("socket", "x", {Text("fd", std::to_string(fd))})),
            "can't get socket option SO_TYPE");
  EXPECT_EQ(close(fd), 0) << "a descriptor that was not fit was not taken over";
  const auto none = [](const std::string& name) -> Result<UniqueFd> { return Fail("no " + name); };
  EXPECT_EQ(Add(Spec("tap", "x", {Text("fd", "net0")}), none), "no net0");
}

TEST_F(NetdevsTest, ANamedDescriptorIsTakenOver) {
  std::array<int, 2> pair{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair.data()), 0);
  const auto source = [&](const std::string&) -> Result<UniqueFd> { return UniqueFd(pair[0]); };
  EXPECT_EQ(Add(Spec("socket", "x", {Text("fd", "net0")}), source), "");
  EXPECT_TRUE(netdevs_.NetdevDel("x"));
  EXPECT_EQ(fcntl(pair[0], F_GETFD), -1);
  close(pair[1]);
}

TEST_F(NetdevsTest, FailedProgramsAreErrors) {
  EXPECT_EQ(Add(Spec("tap", "x", {Text("helper", "/bin/false")})), "bridge helper failed");
  EXPECT_EQ(Add(Spec("tap", "x", {Text("helper", "/nonexistent")})), "bridge helper failed");
  // Says that all is well and passes nothing.
  EXPECT_EQ(Add(Spec("tap", "x", {Text("helper", "/bin/true")})), "bridge helper failed");
}

TEST_F(NetdevsTest, AStreamTellsOfItsPeer) {
  char name[] = "/tmp/davit-netdevs-XXXXXX";
  const std::string directory = mkdtemp(name);
  const std::string path = directory + "/s";
  const auto stream = [&](const char* id, bool server) {
    return Spec("stream", id,
                {Text("addr.type", "unix"), Text("addr.path", path), {"server", {server}}});
  };
  EXPECT_EQ(Add(stream("server", true)), "");
  EXPECT_TRUE(events_.empty());
  EXPECT_EQ(Add(stream("client", false)), "");
  EXPECT_TRUE(events_.empty()) << "connecting takes its time";
  const auto end = loop_.Now() + std::chrono::seconds(5);
  while (events_.size() < 2 && loop_.Now() < end) loop_.RunOne(std::chrono::milliseconds(50));
  ASSERT_EQ(events_.size(), 2U);
  for (const control::Event& told : events_) {
    const auto* event = std::get_if<control::NetdevStreamEvent>(&told);
    ASSERT_NE(event, nullptr);
    ASSERT_TRUE(event->peer);
    if (event->netdev == "client") {
      EXPECT_EQ(event->peer->host, path);
    }
  }
  EXPECT_EQ(Info(), "server:0:stream:unix:\nclient:0:stream:unix:" + path + "\n");
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace davit::machine
