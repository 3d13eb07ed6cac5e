// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// IPv4 packets for tests that are a guest on a network: numbers in network order, checksums
// (RFC 1071), headers of IP (RFC 791) and UDP (RFC 768). Addresses are in the host's order. Pure.
#pragma once

#include <arpa/inet.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace davit::qtest {

inline constexpr size_t kEthernet = 14, kIp = 20, kUdp = 8;  // bytes of headers
inline constexpr uint8_t kProtocolTcp = 6, kProtocolUdp = 17;

inline std::string Be(uint64_t value, int bytes) {
  std::string text;
  while (bytes-- > 0) text += static_cast<char>(value >> 8 * bytes);
  return text;
}
inline uint32_t Number(const std::string& text, size_t at, size_t bytes) {
  uint32_t value = 0;
  for (size_t i = at; i < at + bytes && i < text.size(); ++i) {
    value = value << 8 | static_cast<uint8_t>(text[i]);
  }
  return value;
}
inline uint32_t Address(const char* dotted) { return ntohl(inet_addr(dotted)); }

inline uint16_t Checksum(const std::string& data) {
  uint32_t sum = 0;
  for (size_t i = 0; i < data.size(); i += 2) sum += Number(data + '\0', i, 2);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// What a transport's checksum is over, beside its segment.
inline std::string Pseudo(uint8_t protocol, uint32_t from, uint32_t to,
                          const std::string& segment) {
  return Be(from, 4) + Be(to, 4) + Be(protocol, 2) + Be(segment.size(), 2);
}

// Without a checksum.
inline std::string Udp(uint16_t from_port, uint16_t to_port, const std::string& data) {
  return Be(from_port, 2) + Be(to_port, 2) + Be(kUdp + data.size(), 2) + Be(0, 2) + data;
}

inline std::string Ip(uint8_t protocol, uint32_t from, uint32_t to, const std::string& data) {
  std::string header = "\x45" + Be(0, 1) + Be(kIp + data.size(), 2) + Be(0, 4) + Be(64, 1) +
                       Be(protocol, 1) + Be(0, 2) + Be(from, 4) + Be(to, 4);
  header.replace(10, 2, Be(Checksum(header), 2));
  return header + data;
}

}  // namespace davit::qtest
