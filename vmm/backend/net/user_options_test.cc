// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
#include "vmm/backend/net/user_options.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

namespace davit::backend {
namespace {

std::string Text(in_addr address) {
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &address, text, sizeof(text));
}

std::string ErrorOf(const UserNetOptions& options) {
  const auto net = CheckUserNet(options);
  return net ? "" : net.error().message;
}

TEST(UserNet, DefaultsAreThoseOfQemu) {
  const auto net = CheckUserNet({});
  ASSERT_TRUE(net) << net.error();
  EXPECT_EQ(Text(net->net), "10.0.2.0");
  EXPECT_EQ(Text(net->mask), "255.255.255.0");
  EXPECT_EQ(Text(net->host), "10.0.2.2");
  EXPECT_EQ(Text(net->dns), "10.0.2.3");
  EXPECT_EQ(Text(net->dhcp_start), "10.0.2.15");
  EXPECT_TRUE(net->ipv4);
  EXPECT_TRUE(net->ipv6);
}

TEST(UserNet, NetworkMovesItsAddresses) {
  const auto net = CheckUserNet({.net = "192.168.76.0/24"});
  ASSERT_TRUE(net) << net.error();
  EXPECT_EQ(Text(net->host), "192.168.76.2");
  EXPECT_EQ(Text(net->dhcp_start), "192.168.76.15");
  const auto mask = CheckUserNet({.net = "192.168.0.0/255.255.0.0"});
  ASSERT_TRUE(mask) << mask.error();
  EXPECT_EQ(Text(mask->mask), "255.255.0.0");
}

TEST(UserNet, BadNetworkIsRefused) {
  EXPECT_EQ(ErrorOf({.net = "nonsense"}), "Failed to parse netmask");
  EXPECT_EQ(ErrorOf({.net = "10.0.0.0/3"}), "Invalid netmask provided (must be in range 4-32)");
  EXPECT_EQ(ErrorOf({.net = "10.0.0.0/33"}), "Invalid netmask provided (must be in range 4-32)");
  EXPECT_EQ(ErrorOf({.net = "10.0.0.0/x"}), "Failed to parse netmask (trailing chars)");
}

TEST(UserNet, AddressOutsideTheNetworkIsRefused) {
  EXPECT_EQ(ErrorOf({.host = "10.0.3.2"}), "Host doesn't fit within network");
  EXPECT_EQ(ErrorOf({.dhcpstart = "10.0.3.2"}), "DHCP doesn't fit within network");
  EXPECT_EQ(ErrorOf({.host = "10.0.2.15"}), "DHCP must be different from host");
  EXPECT_EQ(ErrorOf({.dns = "10.0.2.2"}), "DNS must be different from host");
}

TEST(UserNet, ProtocolSwitchedOffTakesNoAddresses) {
  EXPECT_EQ(ErrorOf({.ipv4 = false, .net = "10.0.0.0/8"}),
            "IPv4 disabled but netmask/host/dhcp/dns provided");
  EXPECT_EQ(ErrorOf({.ipv6 = false, .ipv6_prefix = "fec0::"}),
            "IPv6 disabled but prefix/host6/dns6 provided");
  EXPECT_EQ(ErrorOf({.ipv4 = false, .ipv6 = false}), "IPv4 and IPv6 disabled");
}

TEST(UserNet, HostForwardFillsInDefaults) {
  const auto net = CheckUserNet({.hostfwd = {"tcp::2222-:22", "udp:127.0.0.1:53-10.0.2.20:54"}});
  ASSERT_TRUE(net) << net.error();
  ASSERT_EQ(net->host_forwards.size(), 2u);
  EXPECT_FALSE(net->host_forwards[0].udp);
  EXPECT_EQ(Text(net->host_forwards[0].host_address), "0.0.0.0");
  EXPECT_EQ(net->host_forwards[0].host_port, 2222);
  EXPECT_EQ(Text(net->host_forwards[0].guest_address), "10.0.2.15");
  EXPECT_EQ(net->host_forwards[0].guest_port, 22);
  EXPECT_TRUE(net->host_forwards[1].udp);
  EXPECT_EQ(Text(net->host_forwards[1].guest_address), "10.0.2.20");
}

TEST(UserNet, BadHostForwardNamesItsPart) {
  const auto error = [](const char* rule) { return ErrorOf({.hostfwd = {rule}}); };
  EXPECT_EQ(error("tcp"), "Invalid host forwarding rule 'tcp' (No : separators)");
  EXPECT_EQ(error("sctp::1-:2"), "Invalid host forwarding rule 'sctp::1-:2' (Bad protocol name)");
  EXPECT_EQ(error("tcp:x:1-:2"), "Invalid host forwarding rule 'tcp:x:1-:2' (Bad host address)");
  EXPECT_EQ(error("tcp::99999-:2"), "Invalid host forwarding rule 'tcp::99999-:2' (Bad host port)");
  EXPECT_EQ(error("tcp::1-:0"), "Invalid host forwarding rule 'tcp::1-:0' (Bad guest port)");
}

TEST(UserNet, GuestForwardHasACommandOrAChardev) {
  const auto net =
      CheckUserNet({.guestfwd = {"tcp:10.0.2.100:80-cmd:cat", "tcp:10.0.2.101:81-char0"}});
  ASSERT_TRUE(net) << net.error();
  ASSERT_EQ(net->guest_forwards.size(), 2u);
  EXPECT_EQ(net->guest_forwards[0].command, "cat");
  EXPECT_EQ(net->guest_forwards[1].chardev, "char0");
  EXPECT_EQ(ErrorOf({.guestfwd = {"tcp:10.0.2.100:80-"}}),
            "Invalid guest forwarding rule 'tcp:10.0.2.100:80-'");
}

}  // namespace
}  // namespace davit::backend
