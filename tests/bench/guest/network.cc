// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See network.h.
#include "tests/bench/guest/network.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <sstream>
#include <vector>

#include "tests/bench/interface.h"

namespace davit::bench_guest {
namespace {

constexpr size_t kChunk = 128 * 1024;

int64_t Now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

std::string Failed(const char* what) { return std::string("net ") + what + ": " + strerror(errno); }

// "ADDRESS PORT N".
struct Peer {
  explicit Peer(const std::string& arguments) {
    std::istringstream words(arguments);
    std::string address;
    uint16_t port = 0;
    words >> address >> port >> number;
    const sockaddr_in in = bench::Ipv4(address, port);
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
  const char* failed = bench::BringUp("eth0", arguments);
  return failed == nullptr ? "net up" : Failed(failed);
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
