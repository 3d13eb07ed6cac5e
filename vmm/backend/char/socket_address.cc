// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See socket_address.h.
#include "vmm/backend/char/socket_address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>

#include "vmm/base/waiting.h"

namespace davit::backend {
namespace {

union AnyAddress {
  sockaddr any;
  sockaddr_un un;
  sockaddr_in in;
  sockaddr_in6 in6;
  sockaddr_storage storage;
};

template <typename Address>
const sockaddr* AsSockaddr(const Address& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

using AddrInfo = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

bool IsNumeric(const std::string& host) {
  in6_addr any;
  return inet_pton(AF_INET, host.c_str(), &any) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &any) == 1;
}

Result<AddrInfo> Resolve(const InetAddress& inet, bool passive, int socktype = SOCK_STREAM) {
  addrinfo hints{};
  hints.ai_socktype = socktype;
  // Loopback alone does not count as a configured address; where nothing is to be looked up it will
  // do all the same.
  hints.ai_flags = passive ? AI_PASSIVE : IsNumeric(inet.host) ? AI_NUMERICHOST : AI_ADDRCONFIG;
  const bool v4 = inet.ipv4.value_or(!inet.ipv6.value_or(false));
  const bool v6 = inet.ipv6.value_or(!inet.ipv4.value_or(false));
  if (!v4 && !v6) return Fail("Cannot disable IPv4 and IPv6 at same time");
  hints.ai_family = v4 && v6 ? AF_UNSPEC : v4 ? AF_INET : AF_INET6;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(inet.host.empty() ? nullptr : inet.host.c_str(), inet.port.c_str(),
                                &hints, &list);
  if (error != 0) {
    return Fail(fmt::format("address resolution failed for {}:{}: {}", inet.host, inet.port,
                            gai_strerror(error)));
  }
  return AddrInfo(list, &freeaddrinfo);
}

bool IsLoopback(const sockaddr* address, socklen_t length) {
  AnyAddress any{};
  std::memcpy(&any, address, std::min<size_t>(length, sizeof(any)));
  if (any.any.sa_family == AF_INET) return ntohl(any.in.sin_addr.s_addr) >> 24 == 127;
  const in6_addr& v6 = any.in6.sin6_addr;
  return IN6_IS_ADDR_LOOPBACK(&v6) || (IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127);
}

Result<UniqueFd> ListenUnix(const UnixAddress& unix) {
  DAVIT_ASSIGN(const Endpoint name, UnixEndpoint(unix));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return FailErrno("Failed to create Unix socket");
  DAVIT_TRY(PrepareUnixBind(unix, fd.get()));
  if (bind(fd.get(), AsSockaddr(name.address), name.length) != 0) {
    return FailErrno(fmt::format("Failed to bind socket to {}", unix.path));
  }
  if (listen(fd.get(), 1) != 0) return FailErrno("Failed to listen on socket");
  return fd;
}

// The error is in errno.
Result<UniqueFd> ListenOn(const addrinfo& address) {
  UniqueFd fd(socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return FailErrno("Failed to create socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.ai_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0 || listen(fd.get(), 1) != 0) {
    const int error = errno;
    fd.reset();
    errno = error;
    return FailErrno("Failed to listen on socket");
  }
  return fd;
}

Result<UniqueFd> ListenInet(const InetAddress& inet, bool allow_remote) {
  DAVIT_ASSIGN(AddrInfo list, Resolve(inet, true));
  for (const addrinfo* at = list.get(); at; at = at->ai_next) {
    if (!allow_remote && !IsLoopback(at->ai_addr, at->ai_addrlen)) {
      return Fail(
          fmt::format("TCP address '{}:{}' can be reached from other hosts, and whoever "
                      "reaches it speaks to the guest; use 127.0.0.1, or say "
                      "allow-remote=on",
                      inet.host, inet.port));
    }
  }
  // One listener: of a name with two addresses (localhost) the IPv4 one, which every client tries.
  int error = EADDRNOTAVAIL;
  for (int family : {AF_INET, AF_INET6}) {
    for (const addrinfo* at = list.get(); at; at = at->ai_next) {
      if (at->ai_family != family) continue;
      Result<UniqueFd> fd = ListenOn(*at);
      if (fd) return fd;
      error = errno;
    }
  }
  return FailErrno(
      error == EADDRINUSE ? "Failed to find an available port" : "Failed to bind socket", error);
}

std::string NameOf(const SocketSpec& spec) {
  if (const auto* unix = std::get_if<UnixAddress>(&spec.address)) return unix->path;
  const auto* inet = std::get_if<InetAddress>(&spec.address);
  return inet != nullptr ? fmt::format("{}:{}", inet->host, inet->port) : "";
}

Result<UniqueFd> TakeFd(const FdAddress& given, bool server) {
  struct stat info {};
  if (fstat(given.fd, &info) != 0 || !S_ISSOCK(info.st_mode)) {
    return Fail(fmt::format("File descriptor '{}' is not a socket", given.fd));
  }
  // The giver's until nothing can fail.
  if (server && listen(given.fd, 1) != 0) return FailErrno("Failed to listen on fd socket");
  return UniqueFd(given.fd);
}

SocketName MakeName(const AnyAddress& address, socklen_t length) {
  SocketName name;
  if (length < sizeof(sa_family_t)) return name;
  name.family = address.any.sa_family;
  if (name.family == AF_UNIX) {
    const size_t path_length = length - offsetof(sockaddr_un, sun_path);
    if (length <= offsetof(sockaddr_un, sun_path)) return name;
    name.abstract = address.un.sun_path[0] == '\0';
    const size_t skip = name.abstract ? 1 : 0;
    name.host.assign(address.un.sun_path + skip,
                     strnlen(address.un.sun_path + skip, path_length - skip));
    return name;
  }
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  if (getnameinfo(&address.any, length, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
    name.host = host.data();
    name.port = port.data();
  }
  return name;
}

}  // namespace

Result<UniqueFd> Listen(const SocketSpec& spec) {
  if (const auto* unix = std::get_if<UnixAddress>(&spec.address)) return ListenUnix(*unix);
  if (const auto* inet = std::get_if<InetAddress>(&spec.address)) {
    return ListenInet(*inet, spec.allow_remote);
  }
  return TakeFd(std::get<FdAddress>(spec.address), true);
}

Result<UniqueFd> ConnectTo(const SocketSpec& spec) {
  if (const auto* given = std::get_if<FdAddress>(&spec.address)) return TakeFd(*given, false);
  DAVIT_ASSIGN(const std::vector<Endpoint> endpoints, Endpoints(spec));
  int error = EADDRNOTAVAIL;
  for (const Endpoint& endpoint : endpoints) {
    UniqueFd fd = ConnectStream(AsSockaddr(endpoint.address), endpoint.length, &error);
    if (fd) return fd;
  }
  return FailConnect(spec, error);
}

Result<Endpoint> UnixEndpoint(const UnixAddress& unix) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const size_t skip = unix.abstract ? 1 : 0;
  if (unix.path.size() + 1 > sizeof(name.sun_path)) {
    return Fail(fmt::format("UNIX socket path '{}' is too long\nPath must be less than {} bytes",
                            unix.path, sizeof(name.sun_path)));
  }
  std::memcpy(name.sun_path + skip, unix.path.data(), unix.path.size());
  Endpoint endpoint;
  endpoint.length =
      unix.abstract && unix.tight
          ? static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + unix.path.size())
          : sizeof(name);
  std::memcpy(&endpoint.address, &name, sizeof(name));
  return endpoint;
}

Status PrepareUnixBind(const UnixAddress& unix, int fd) {
  if (unix.abstract) return {};
  struct stat info {};
  if (lstat(unix.path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode) &&
      unlink(unix.path.c_str()) != 0) {
    return FailErrno(fmt::format("Failed to unlink socket {}", unix.path));
  }
  fchmod(fd, 0600);  // before bind(): the file never has another mode
  return {};
}

Result<std::vector<Endpoint>> Endpoints(const SocketSpec& spec) {
  std::vector<Endpoint> endpoints;
  const auto add = [&](const sockaddr* address, socklen_t length) {
    Endpoint endpoint;
    endpoint.length = length;
    std::memcpy(&endpoint.address, address, std::min<size_t>(length, sizeof(endpoint.address)));
    endpoints.push_back(endpoint);
  };
  if (const auto* unix = std::get_if<UnixAddress>(&spec.address)) {
    DAVIT_ASSIGN(endpoints.emplace_back(), UnixEndpoint(*unix));
  } else if (const auto* inet = std::get_if<InetAddress>(&spec.address)) {
    DAVIT_ASSIGN(const AddrInfo list, Resolve(*inet, false));
    for (const addrinfo* at = list.get(); at; at = at->ai_next) add(at->ai_addr, at->ai_addrlen);
  }
  return endpoints;
}

UniqueFd StartConnect(const Endpoint& endpoint, int& error) {
  UniqueFd fd(socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd && (connect(fd.get(), AsSockaddr(endpoint.address), endpoint.length) == 0 ||
             errno == EINPROGRESS)) {
    return fd;
  }
  error = errno;
  return {};
}

tl::unexpected<Error> FailConnect(const SocketSpec& spec, int error) {
  return FailErrno(fmt::format("Failed to connect to '{}'", NameOf(spec)), error);
}

Result<UniqueFd> ConnectDatagram(const InetAddress& remote,
                                 const std::optional<InetAddress>& local) {
  if (remote.port.empty()) return Fail("remote port not specified");
  DAVIT_ASSIGN(const AddrInfo peer, Resolve(remote, false, SOCK_DGRAM));
  UniqueFd fd(socket(peer->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return FailErrno("Failed to create socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  InetAddress from = local.value_or(InetAddress{});
  if (from.port.empty()) from.port = "0";
  from.ipv4 = peer->ai_family == AF_INET;
  from.ipv6 = peer->ai_family == AF_INET6;
  DAVIT_ASSIGN(const AddrInfo own, Resolve(from, true, SOCK_DGRAM));
  if (bind(fd.get(), own->ai_addr, own->ai_addrlen) != 0) {
    return FailErrno("Failed to bind socket");
  }
  if (connect(fd.get(), peer->ai_addr, peer->ai_addrlen) != 0) {
    return FailErrno(fmt::format("Failed to connect to '{}:{}'", remote.host, remote.port));
  }
  return fd;
}

SocketName LocalName(int fd) {
  AnyAddress address{};
  socklen_t length = sizeof(address);
  if (getsockname(fd, &address.any, &length) != 0) return {};
  return MakeName(address, length);
}

SocketName PeerName(int fd) {
  AnyAddress address{};
  socklen_t length = sizeof(address);
  if (getpeername(fd, &address.any, &length) != 0) return {};
  return MakeName(address, length);
}

std::string HostPort(const SocketName& name) {
  return name.family == AF_INET6 ? fmt::format("[{}]:{}", name.host, name.port)
                                 : fmt::format("{}:{}", name.host, name.port);
}

}  // namespace davit::backend
