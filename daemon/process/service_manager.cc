// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See service_manager.h.
#include "daemon/process/service_manager.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

namespace davit::daemon {
namespace {

constexpr const char* kVariable = "NOTIFY_SOCKET";

}  // namespace

Result<ServiceManager> ServiceManager::FromEnvironment() {
  ServiceManager manager;
  const char* value = std::getenv(kVariable);
  if (value == nullptr) return manager;
  manager.address_ = value;
  unsetenv(kVariable);
  const std::string& address = manager.address_;
  if (!address.starts_with('/') && !address.starts_with('@')) {
    return Fail(fmt::format("{}: '{}' is not the address of a UNIX socket", kVariable, address));
  }
  if (address.size() >= sizeof sockaddr_un{}.sun_path) {
    return Fail(fmt::format("{}: '{}' is too long for a UNIX socket", kVariable, address));
  }
  manager.fd_.reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!manager.fd_) return FailErrno(fmt::format("{}: cannot make a socket", kVariable));
  return manager;
}

Status ServiceManager::Send(std::string_view state) const {
  if (!fd_) return {};
  sockaddr_un to{.sun_family = AF_UNIX, .sun_path = {}};
  std::memcpy(to.sun_path, address_.data(), address_.size());
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
  iovec text{const_cast<char*>(state.data()), state.size()};
  msghdr message{};
  message.msg_name = &to;
  // An abstract name has no end but the address's.
  message.msg_namelen = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  if (sendmsg(fd_.get(), &message, MSG_NOSIGNAL) < 0) {
    return FailErrno(fmt::format("{}: cannot tell '{}' to '{}'", kVariable, state, address_));
  }
  return {};
}

}  // namespace davit::daemon
