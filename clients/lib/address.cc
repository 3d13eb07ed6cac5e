// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See address.h.
#include "clients/lib/address.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <memory>

namespace davit::client {
namespace {

bool IsPort(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isdigit(c) != 0; });
}

Result<Address> ParseTcp(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) {
    return Fail("address '" + std::string(text) + "' lacks a port, expected HOST:PORT");
  }
  std::string_view host = text.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  Address address;
  address.is_unix = false;
  address.host = host.empty() ? "localhost" : std::string(host);
  address.port = text.substr(colon + 1);
  return address;
}

Status SetNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return FailErrno("fcntl");
  return {};
}

Result<UniqueFd> ConnectUnix(const Address& address) {
  sockaddr_un sa{};
  sa.sun_family = AF_UNIX;
  if (address.path.size() >= sizeof sa.sun_path) {
    return Fail("UNIX socket path '" + address.path + "' is too long, the limit is " +
                std::to_string(sizeof sa.sun_path - 1) + " bytes");
  }
  std::memcpy(sa.sun_path, address.path.data(), address.path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return FailErrno("socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&sa), sizeof sa) != 0) {
    return FailErrno("Failed to connect to '" + address.path + "'");
  }
  DAVIT_TRY(SetNonBlocking(fd.get()));
  return fd;
}

Result<UniqueFd> ConnectTcp(const Address& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int rc = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found);
  if (rc != 0) {
    return Fail("address resolution failed for " + address.ToString() + ": " + gai_strerror(rc));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  int err = ECONNREFUSED;
  for (const addrinfo* ai = found; ai != nullptr; ai = ai->ai_next) {
    UniqueFd fd(socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol));
    if (fd && connect(fd.get(), ai->ai_addr, ai->ai_addrlen) == 0) {
      const int one = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      DAVIT_TRY(SetNonBlocking(fd.get()));
      return fd;
    }
    err = errno;
  }
  return FailErrno("Failed to connect to '" + address.ToString() + "'", err);
}

}  // namespace

std::string Address::ToString() const {
  if (is_unix) return "unix:" + path;
  return host.find(':') != std::string::npos ? "[" + host + "]:" + port : host + ":" + port;
}

Result<Address> ParseAddress(std::string_view text) {
  if (text.starts_with("tcp:")) return ParseTcp(text.substr(4));
  const bool prefixed = text.starts_with("unix:");
  if (prefixed) text.remove_prefix(5);
  if (text.empty()) return Fail("the address is empty");
  const size_t colon = text.rfind(':');
  if (!prefixed && colon != std::string_view::npos && text.find('/') == std::string_view::npos &&
      IsPort(text.substr(colon + 1))) {
    return ParseTcp(text);
  }
  Address address;
  address.path = text;
  return address;
}

Result<UniqueFd> Connect(const Address& address) {
  return address.is_unix ? ConnectUnix(address) : ConnectTcp(address);
}

}  // namespace davit::client
