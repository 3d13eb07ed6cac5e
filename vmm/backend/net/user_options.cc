// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See user_options.h.
#include "vmm/backend/net/user_options.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace davit::backend {
namespace {

constexpr size_t kMaxHostname = 63;  // what fits into slirp's DHCP answers

uint32_t Number(in_addr address) { return ntohl(address.s_addr); }
in_addr Address(uint32_t number) { return {htonl(number)}; }

bool Parse4(const std::string& text, in_addr& out) {
  return inet_pton(AF_INET, text.c_str(), &out) == 1;
}

Status Optional4(const std::optional<std::string>& text, const char* what, in_addr& out) {
  if (!text || Parse4(*text, out)) return {};
  return Fail(fmt::format("Failed to parse {}", what));
}

std::optional<uint64_t> ParseNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// "addr", "addr/bits" or "addr/mask".
Status ParseNetwork(const std::string& text, UserNet& net) {
  const size_t slash = text.find('/');
  if (!Parse4(text.substr(0, slash), net.net)) return Fail("Failed to parse netmask");
  const uint32_t address = Number(net.net);
  uint32_t mask;
  if (slash == std::string::npos) {
    // By class (RFC 791, 3.2).
    mask = (address & 0x80000000) == 0            ? 0xff000000
           : (address & 0xc0000000) == 0x80000000 ? 0xffff0000
                                                  : 0xffffff00;
  } else {
    const std::string rest = text.substr(slash + 1);
    const std::optional<uint64_t> bits = ParseNumber(rest);
    in_addr given{};
    if (bits) {
      if (*bits < 4) return Fail("Invalid netmask provided (must be in range 4-32)");
      if (*bits > 32) return Fail("Invalid netmask provided (must be in range 4-32)");
      mask = *bits == 32 ? 0xffffffff : ~(0xffffffffU >> *bits);
    } else if (Parse4(rest, given)) {
      mask = Number(given);
    } else {
      return Fail("Failed to parse netmask (trailing chars)");
    }
  }
  net.mask = Address(mask);
  net.net = Address(address & mask);
  net.host = Address(Number(net.net) | (Number(Address(2)) & ~mask));
  net.dhcp_start = Address(Number(net.net) | (15 & ~mask));
  net.dns = Address(Number(net.net) | (3 & ~mask));
  return {};
}

bool Inside(const UserNet& net, in_addr address) {
  return (Number(address) & Number(net.mask)) == Number(net.net);
}

Status Check4(const UserNetOptions& options, UserNet& net) {
  DAVIT_TRY(ParseNetwork(options.net.value_or("10.0.2.0/24"), net));
  DAVIT_TRY(Optional4(options.host, "host", net.host));
  if (!Inside(net, net.host)) return Fail("Host doesn't fit within network");
  DAVIT_TRY(Optional4(options.dhcpstart, "DHCP start address", net.dhcp_start));
  if (!Inside(net, net.dhcp_start)) return Fail("DHCP doesn't fit within network");
  if (net.dhcp_start.s_addr == net.host.s_addr) return Fail("DHCP must be different from host");
  DAVIT_TRY(Optional4(options.dns, "DNS", net.dns));
  if (net.restricted && !Inside(net, net.dns)) return Fail("DNS doesn't fit within network");
  if (net.dns.s_addr == net.host.s_addr) return Fail("DNS must be different from host");
  if (net.dhcp_start.s_addr == net.dns.s_addr) return Fail("DNS must be different from DHCP");
  return {};
}

Status Check6(const UserNetOptions& options, UserNet& net) {
  const std::string prefix = options.ipv6_prefix.value_or("fec0::");
  if (inet_pton(AF_INET6, prefix.c_str(), &net.prefix6) != 1) {
    return Fail("Failed to parse IPv6 prefix");
  }
  const uint64_t length = options.ipv6_prefixlen.value_or(64);
  if (length > 126)
    return Fail("Invalid IPv6 prefix provided (IPv6 prefix length must be between 0 and 126)");
  net.prefix6_length = static_cast<uint8_t>(length);
  const auto inside = [&net](const in6_addr& address) {
    for (unsigned bit = 0; bit < net.prefix6_length; ++bit) {
      const unsigned mask = 0x80U >> (bit % 8);
      if ((address.s6_addr[bit / 8] & mask) != (net.prefix6.s6_addr[bit / 8] & mask)) return false;
    }
    return true;
  };
  net.host6 = net.prefix6;
  net.host6.s6_addr[15] |= 2;
  if (options.ipv6_host) {
    if (inet_pton(AF_INET6, options.ipv6_host->c_str(), &net.host6) != 1) {
      return Fail("Failed to parse IPv6 host");
    }
    if (!inside(net.host6)) return Fail("IPv6 Host doesn't fit within network");
  }
  net.dns6 = net.prefix6;
  net.dns6.s6_addr[15] |= 3;
  if (options.ipv6_dns) {
    if (inet_pton(AF_INET6, options.ipv6_dns->c_str(), &net.dns6) != 1) {
      return Fail("Failed to parse IPv6 DNS");
    }
    if (net.restricted && !inside(net.dns6)) return Fail("IPv6 DNS doesn't fit within network");
  }
  return {};
}

// The text up to `separator`, which is cut off; nullopt: there is none.
std::optional<std::string> Take(std::string_view& text, char separator) {
  const size_t at = text.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  std::string taken(text.substr(0, at));
  text.remove_prefix(at + 1);
  return taken;
}

}  // namespace

Result<UserNet> CheckUserNet(const UserNetOptions& options) {
  UserNet net;
  net.restricted = options.restricted;
  // One family alone is what is asked for by name; neither is nothing to do.
  net.ipv4 = options.ipv4.value_or(!options.ipv6.value_or(false) || !options.ipv6.has_value());
  net.ipv6 = options.ipv6.value_or(!options.ipv4.value_or(false) || !options.ipv4.has_value());
  if (!net.ipv4 && (options.net || options.host || options.dhcpstart || options.dns)) {
    return Fail("IPv4 disabled but netmask/host/dhcp/dns provided");
  }
  if (!net.ipv6 &&
      (options.ipv6_prefix || options.ipv6_prefixlen || options.ipv6_host || options.ipv6_dns)) {
    return Fail("IPv6 disabled but prefix/host6/dns6 provided");
  }
  if (!net.ipv4 && !net.ipv6) return Fail("IPv4 and IPv6 disabled");
  DAVIT_TRY(Check4(options, net));
  DAVIT_TRY(Check6(options, net));
  net.hostname = options.hostname.value_or("");
  if (net.hostname.size() > kMaxHostname) return Fail("Parameter 'hostname' is too long");
  net.domainname = options.domainname.value_or("");
  if (options.domainname && net.domainname.empty()) {
    return Fail("'domainname' parameter cannot be empty");
  }
  if (net.domainname.size() > 255) return Fail("'domainname' parameter cannot exceed 255 bytes");
  net.tftp = options.tftp.value_or("");
  net.tftp_server_name = options.tftp_server_name.value_or("");
  if (net.tftp_server_name.size() > 255) {
    return Fail("'tftp-server-name' parameter cannot exceed 255 bytes");
  }
  net.bootfile = options.bootfile.value_or("");
  net.dnssearch = options.dnssearch;
  for (const std::string& rule : options.hostfwd) {
    DAVIT_ASSIGN(net.host_forwards.emplace_back(), ParseHostForward(rule, net));
  }
  for (const std::string& rule : options.guestfwd) {
    DAVIT_ASSIGN(net.guest_forwards.emplace_back(), ParseGuestForward(rule));
  }
  return net;
}

Result<HostForward> ParseHostForward(const std::string& text, const UserNet& net) {
  const auto bad = [&text](const char* why) {
    return Fail(fmt::format("Invalid host forwarding rule '{}' ({})", text, why));
  };
  std::string_view rest = text;
  HostForward forward;
  const auto protocol = Take(rest, ':');
  if (!protocol) return bad("No : separators");
  if (*protocol == "udp") {
    forward.udp = true;
  } else if (*protocol != "tcp" && !protocol->empty()) {
    return bad("Bad protocol name");
  }
  const auto host = Take(rest, ':');
  if (!host) return bad("Missing : separator");
  if (!host->empty() && !Parse4(*host, forward.host_address)) return bad("Bad host address");
  const auto host_port = Take(rest, '-');
  if (!host_port) return bad("Bad host port separator");
  const auto number = ParseNumber(*host_port);
  if (!number || *number > 65535) return bad("Bad host port");
  forward.host_port = static_cast<uint16_t>(*number);
  const auto guest = Take(rest, ':');
  if (!guest) return bad("Missing guest address");
  // No address: the first that DHCP gives.
  if (guest->empty()) {
    forward.guest_address = net.dhcp_start;
  } else if (!Parse4(*guest, forward.guest_address)) {
    return bad("Bad guest address");
  }
  const auto guest_port = ParseNumber(rest);
  if (!guest_port || *guest_port == 0 || *guest_port > 65535) return bad("Bad guest port");
  forward.guest_port = static_cast<uint16_t>(*guest_port);
  return forward;
}

Result<GuestForward> ParseGuestForward(const std::string& text) {
  const auto bad = [&text] {
    return Fail(fmt::format("Invalid guest forwarding rule '{}'", text));
  };
  std::string_view rest = text;
  GuestForward forward;
  const auto protocol = Take(rest, ':');
  if (!protocol || (*protocol != "tcp" && !protocol->empty())) return bad();
  const auto server = Take(rest, ':');
  if (!server || !Parse4(*server, forward.server)) return bad();
  const auto port = Take(rest, '-');
  if (!port) return bad();
  const auto number = ParseNumber(*port);
  if (!number || *number == 0 || *number > 65535) return bad();
  forward.port = static_cast<uint16_t>(*number);
  constexpr std::string_view kCommand = "cmd:";
  if (rest.starts_with(kCommand)) {
    forward.command = rest.substr(kCommand.size());
    if (forward.command.empty()) return bad();
  } else {
    forward.chardev = rest;
    if (forward.chardev.empty()) return bad();
  }
  return forward;
}

}  // namespace davit::backend
