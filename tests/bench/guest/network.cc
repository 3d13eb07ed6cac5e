// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See network.h.
#include "tests/bench/guest/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <sstream>
#include <vector>

namespace davit::bench_guest {
namespace {

constexpr size_t kChunk = 128 * 1024;

int64_t Now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

std::string Failed(const char* what) { return std::string("net ") + what + ": " + strerror(errno); }

sockaddr_in Address(const std::string& address, uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &in.sin_addr);
  return in;
}

// "ADDRESS PORT N".
struct Peer {
  explicit Peer(const std::string& arguments) {
    std::istringstream words(arguments);
    std::string address;
    uint16_t port = 0;
    words >> address >> port >> number;
    const sockaddr_in in = Address(address, port);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connected = connect(fd, reinterpret_cast<const sockaddr*>(&in), sizeof in) == 0;
  }
  ~Peer() { close(fd); }
  int fd = -1;
  int64_t number = 0;
  bool connected = false;
};

std::string Bytes(uint64_t bytes, int64_t ns) {
  return "tcp bytes " + std::to_string(bytes) + " ns " + std::to_string(ns);
}

}  // namespace

std::string SetUpNetwork(const std::string& arguments) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  strncpy(request.ifr_name, "eth0", sizeof request.ifr_name - 1);
  const sockaddr_in in = Address(arguments, 0);
  memcpy(&request.ifr_addr, &in, sizeof in);
  std::string answer = "net up";
  if (ioctl(fd, SIOCSIFADDR, &request) != 0) answer = Failed("SIOCSIFADDR");
  const sockaddr_in mask = Address("255.255.255.0", 0);
  memcpy(&request.ifr_netmask, &mask, sizeof mask);
  if (ioctl(fd, SIOCSIFNETMASK, &request) != 0) answer = Failed("SIOCSIFNETMASK");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) answer = Failed("SIOCSIFFLAGS");
  close(fd);
  return answer;
}

std::string SendStream(const std::string& arguments) {
  const Peer peer(arguments);
  if (!peer.connected) return Failed("connect");
  const std::vector<char> chunk(kChunk, 'x');
  uint64_t bytes = 0;
  const int64_t start = Now();
  while (Now() - start < peer.number * 1000000) {
    const ssize_t n = write(peer.fd, chunk.data(), chunk.size());
    if (n <= 0) return Failed("write");
    bytes += static_cast<uint64_t>(n);
  }
  // The peer closes when it has all.
  shutdown(peer.fd, SHUT_WR);
  char end;
  if (read(peer.fd, &end, 1) != 0) return Failed("end");
  return Bytes(bytes, Now() - start);
}

std::string ReceiveStream(const std::string& arguments) {
  const Peer peer(arguments);
  if (!peer.connected) return Failed("connect");
  std::vector<char> chunk(kChunk);
  uint64_t bytes = 0;
  const int64_t start = Now();
  for (;;) {
    const ssize_t n = read(peer.fd, chunk.data(), chunk.size());
    if (n < 0) return Failed("read");
    if (n == 0) return Bytes(bytes, Now() - start);
    bytes += static_cast<uint64_t>(n);
  }
}

std::string RoundTrips(const std::string& arguments) {
  const Peer peer(arguments);
  if (!peer.connected) return Failed("connect");
  const int64_t start = Now();
  for (int64_t i = 0; i < peer.number; ++i) {
    char byte = 'x';
    if (write(peer.fd, &byte, 1) != 1 || read(peer.fd, &byte, 1) != 1) return Failed("round trip");
  }
  return "tcp trips " + std::to_string(peer.number) + " ns " + std::to_string(Now() - start);
}

}  // namespace davit::bench_guest
