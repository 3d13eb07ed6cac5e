// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The init of the benchmark's Linux guest: one-line commands on the console, one line of answer
// each, which begins with "bench: ". No shell, no other program.
//
//   load NAME...   kernel modules          net ADDRESS          eth0 goes up
//   disk ...       see disk.h              send, receive, trips see network.h
//   await PATH     until there is such a file

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sstream>
#include <string>

#include "tests/bench/guest/disk.h"
#include "tests/bench/guest/network.h"
#include "tests/guest/init/set_up.h"

namespace davit::bench_guest {
namespace {

std::string LoadModules(const std::string& names) {
  std::istringstream words(names);
  for (std::string name; words >> name;) {
    const int fd = open(("/modules/" + name + ".ko").c_str(), O_RDONLY | O_CLOEXEC);
    const bool loaded = fd >= 0 && syscall(SYS_finit_module, fd, "", 0) == 0;
    const int error = errno;
    if (fd >= 0) close(fd);
    if (!loaded) return "load " + name + ": " + strerror(error);
  }
  return "loaded";
}

// The kernel tells of each device that comes.
std::string AwaitFile(const std::string& path) {
  const int events = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  kernel.nl_groups = 1;
  std::string answer = "there";
  if (bind(events, reinterpret_cast<sockaddr*>(&kernel), sizeof kernel) != 0) {
    answer = std::string("uevents: ") + strerror(errno);
  } else {
    char event[4096];
    while (access(path.c_str(), F_OK) != 0) (void)recv(events, event, sizeof event, 0);
  }
  close(events);
  return answer;
}

std::string Run(const std::string& line) {
  const size_t space = line.find(' ');
  const std::string word = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (word == "load") return LoadModules(rest);
  if (word == "disk") return RunDisk(rest);
  if (word == "net") return SetUpNetwork(rest);
  if (word == "send") return SendStream(rest);
  if (word == "receive") return ReceiveStream(rest);
  if (word == "trips") return RoundTrips(rest);
  if (word == "await") return AwaitFile(rest);
  return "unknown command " + word;
}

[[noreturn]] void Serve() {
  printf("bench: up\n");
  std::string pending;
  for (;;) {
    char buffer[256];
    const ssize_t n = read(0, buffer, sizeof buffer);
    if (n <= 0) continue;
    pending.append(buffer, static_cast<size_t>(n));
    for (size_t end; (end = pending.find('\n')) != std::string::npos;) {
      const std::string line = pending.substr(0, end);
      pending.erase(0, end + 1);
      printf("bench: %s\n", Run(line).c_str());
    }
  }
}

}  // namespace
}  // namespace davit::bench_guest

int main() {
  davit::guest_init::SetUpConsole();
  davit::bench_guest::Serve();
}
