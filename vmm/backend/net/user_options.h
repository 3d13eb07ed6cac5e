// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -netdev user: its options as given, and checked. The defaults and the rules are QEMU's: network
// 10.0.2.0/24, gateway .2, DNS .3, DHCP from .15; IPv6 fec0::/64. Pure.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vmm/base/error.h"

namespace davit::backend {

// As QAPI's NetdevUserOptions.
struct UserNetOptions {
  std::optional<std::string> hostname;
  bool restricted = false;
  std::optional<bool> ipv4, ipv6;
  std::optional<std::string> net, host, tftp, bootfile, dhcpstart, dns, domainname;
  std::vector<std::string> dnssearch;
  std::optional<std::string> ipv6_prefix, ipv6_host, ipv6_dns, tftp_server_name;
  std::optional<uint64_t> ipv6_prefixlen;
  std::vector<std::string> hostfwd, guestfwd;
};

struct HostForward {
  bool udp = false;
  in_addr host_address{}, guest_address{};
  uint16_t host_port = 0, guest_port = 0;
};

struct GuestForward {
  in_addr server{};
  uint16_t port = 0;
  std::string command;  // "cmd:" form
  std::string chardev;  // else: the id of a chardev
};

struct UserNet {
  bool restricted = false, ipv4 = true, ipv6 = true;
  in_addr net{}, mask{}, host{}, dhcp_start{}, dns{};
  in6_addr prefix6{}, host6{}, dns6{};
  uint8_t prefix6_length = 64;
  std::string hostname, tftp, tftp_server_name, bootfile, domainname;
  std::vector<std::string> dnssearch;
  std::vector<HostForward> host_forwards;
  std::vector<GuestForward> guest_forwards;
};

// Error: names the value and what is wrong with it, as QEMU does.
Result<UserNet> CheckUserNet(const UserNetOptions& options);
// "[tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport"
Result<HostForward> ParseHostForward(const std::string& text, const UserNet& net);
// "[tcp]:server:port-dev" or "[tcp]:server:port-cmd:command"
Result<GuestForward> ParseGuestForward(const std::string& text);

}  // namespace davit::backend
