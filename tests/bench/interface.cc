// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See interface.h.
#include "tests/bench/interface.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace davit::bench {
namespace {

// As BringUp().
const char* Configure(int fd, const std::string& interface, const std::string& address) {
  ifreq request{};
  interface.copy(request.ifr_name, sizeof request.ifr_name - 1);
  const sockaddr_in in = Ipv4(address, 0), mask = Ipv4("255.255.255.0", 0);
  std::memcpy(&request.ifr_addr, &in, sizeof in);
  if (ioctl(fd, SIOCSIFADDR, &request) != 0) return "SIOCSIFADDR";
  std::memcpy(&request.ifr_netmask, &mask, sizeof mask);
  if (ioctl(fd, SIOCSIFNETMASK, &request) != 0) return "SIOCSIFNETMASK";
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) return "SIOCSIFFLAGS";
  return nullptr;
}

}  // namespace

sockaddr_in Ipv4(const std::string& address, uint16_t port) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &in.sin_addr);
  return in;
}

const char* BringUp(const std::string& interface, const std::string& address) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const char* failed = Configure(fd, interface, address);
  const int error = errno;
  close(fd);
  errno = error;
  return failed;
}

}  // namespace davit::bench
