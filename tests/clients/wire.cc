// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See wire.h.
#include "tests/clients/wire.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace davit::testing {

using Clock = std::chrono::steady_clock;

Result<Wire> Wire::Connect(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return FailErrno("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return FailErrno("connect " + path);
  }
  return Wire(std::move(fd));
}

Status Wire::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno("send");
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

Status Wire::SendWithFd(std::string_view bytes, int fd) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  const ssize_t n = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  if (n != static_cast<ssize_t>(bytes.size())) return FailErrno("sendmsg");
  return {};
}

Result<size_t> Wire::Fill(milliseconds timeout) {
  pollfd readable{fd_.get(), POLLIN, 0};
  if (poll(&readable, 1, static_cast<int>(timeout.count())) != 1) {
    return Fail("nothing comes behind '" + read_ + "'");
  }
  char buffer[4096];
  const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, 0);
  if (n < 0) return FailErrno("recv");
  read_.append(buffer, static_cast<size_t>(n));
  return static_cast<size_t>(n);
}

Result<std::string> Wire::ReadTo(std::string_view end, milliseconds timeout) {
  const auto deadline = Clock::now() + timeout;
  for (size_t from = 0;;) {
    if (const size_t at = read_.find(end, from); at != std::string::npos) {
      std::string text = read_.substr(0, at + end.size());
      read_.erase(0, text.size());
      return text;
    }
    from = read_.size() < end.size() ? 0 : read_.size() - end.size();
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    DAVIT_ASSIGN(const size_t n, Fill(std::max(left, milliseconds(0))));
    if (n == 0) return Fail("end of file behind '" + read_ + "'");
  }
}

bool Wire::AtEnd() {
  const auto n = Fill(kDeadline);
  return n && *n == 0 && read_.empty();
}

}  // namespace davit::testing
