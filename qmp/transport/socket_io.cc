// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/transport/socket_io.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace davit::qmp {
namespace {

constexpr size_t kMaxFds = 253;  // SCM_MAX_FD: what one message can carry

void TakeRights(const msghdr& message, std::vector<UniqueFd>& fds) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr;
       c = CMSG_NXTHDR(const_cast<msghdr*>(&message), c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
}

ssize_t ReceiveMessage(int fd, std::span<char> buffer, std::vector<UniqueFd>& fds) {
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))];
  iovec data{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n >= 0) TakeRights(message, fds);
  return n;
}

}  // namespace

bool IsSocket(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

IoResult ReadSome(int fd, bool socket, std::span<char> buffer, std::vector<UniqueFd>& fds) {
  ssize_t n = 0;
  do {
    n = socket ? ReceiveMessage(fd, buffer, fds) : read(fd, buffer.data(), buffer.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return {0, errno, false};
  return {static_cast<size_t>(n), 0, n == 0};
}

IoResult WriteSome(int fd, bool socket, std::string_view bytes) {
  ssize_t n = 0;
  do {
    n = socket ? send(fd, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
               : write(fd, bytes.data(), bytes.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return {0, errno, false};
  return {static_cast<size_t>(n), 0, false};
}

}  // namespace davit::qmp
