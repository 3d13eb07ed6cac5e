// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See notify_socket.h.
#include "tests/support/notify_socket.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace davit::testing {

NotifySocket::NotifySocket(const std::string& address)
    : address_(address), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un to{.sun_family = AF_UNIX, .sun_path = {}};
  address.copy(to.sun_path, sizeof to.sun_path - 1);
  if (address.starts_with('@')) to.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&to), size), 0)
      << address << ": " << std::strerror(errno);
  setenv("NOTIFY_SOCKET", address.c_str(), 1);
}

NotifySocket::~NotifySocket() {
  unsetenv("NOTIFY_SOCKET");
  if (!address_.starts_with('@')) unlink(address_.c_str());
}

std::string NotifySocket::Next(std::chrono::milliseconds timeout) {
  pollfd p{fd_.get(), POLLIN, 0};
  if (poll(&p, 1, static_cast<int>(timeout.count())) <= 0) return "";
  char text[64];
  const ssize_t size = recv(fd_.get(), text, sizeof text, 0);
  return size < 0 ? std::string(std::strerror(errno))
                  : std::string(text, static_cast<size_t>(size));
}

}  // namespace davit::testing
