// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/transport/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <utility>

#include "qmp/transport/socket_io.h"
#include "vmm/base/waiting.h"

namespace davit::qmp {
namespace {

constexpr int kBacklog = 128;

template <typename Address>
const sockaddr* Generic(const Address& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

struct UnixName {
  sockaddr_un address{};
  socklen_t length = 0;
};

// An abstract name starts after a NUL, and has NULs up to the end of the address unless it is
// tight.
Result<UnixName> MakeUnixName(const MonitorSpec& spec) {
  UnixName name;
  name.address.sun_family = AF_UNIX;
  if (spec.path.size() >= sizeof name.address.sun_path) {
    return Fail(fmt::format("UNIX socket path '{}' is too long; it must be less than {} bytes",
                            spec.path, sizeof name.address.sun_path));
  }
  const size_t skip = spec.abstract ? 1 : 0;
  std::memcpy(name.address.sun_path + skip, spec.path.data(), spec.path.size());
  name.length = spec.abstract && spec.tight
                    ? static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + spec.path.size())
                    : sizeof name.address;
  return name;
}

// In the place of a socket that was left behind. The file gets the mode of the socket: no moment at
// which others could connect.
Status PrepareFile(int fd, const std::string& path) {
  struct stat status {};
  if (lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode) && unlink(path.c_str()) != 0) {
    return FailErrno(fmt::format("Failed to unlink socket {}", path));
  }
  if (fchmod(fd, S_IRUSR | S_IWUSR) != 0) {
    return FailErrno(fmt::format("Failed to bind socket to {}", path));
  }
  return {};
}

Result<ListeningSockets> ListenUnix(const MonitorSpec& spec) {
  DAVIT_ASSIGN(const UnixName name, MakeUnixName(spec));
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return FailErrno("Failed to create Unix socket");
  if (!spec.abstract) DAVIT_TRY(PrepareFile(fd.get(), spec.path));
  if (bind(fd.get(), Generic(name.address), name.length) != 0) {
    return FailErrno(fmt::format("Failed to bind socket to {}", spec.path));
  }
  ListeningSockets sockets;
  if (!spec.abstract) sockets.file = SocketFile(spec.path);
  if (listen(fd.get(), kBacklog) != 0) return FailErrno("Failed to listen on socket");
  sockets.fds.push_back(std::move(fd));
  return sockets;
}

using AddressList = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

Result<AddressList> ResolveTcp(const MonitorSpec& spec) {
  addrinfo hints{};
  hints.ai_family = spec.ipv4 == spec.ipv6 ? AF_UNSPEC : spec.ipv4 ? AF_INET : AF_INET6;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = spec.server ? AI_PASSIVE : 0;
  addrinfo* list = nullptr;
  const int error = getaddrinfo(spec.host.empty() ? nullptr : spec.host.c_str(), spec.port.c_str(),
                                &hints, &list);
  if (error != 0) {
    return Fail(fmt::format("address resolution failed for {}:{}: {}", spec.host, spec.port,
                            gai_strerror(error)));
  }
  return AddressList(list, &freeaddrinfo);
}

bool IsLoopback(const addrinfo& address) {
  if (address.ai_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address.ai_addr, sizeof in);
    return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
  }
  sockaddr_in6 in6{};
  std::memcpy(&in6, address.ai_addr, sizeof in6);
  return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

Result<UniqueFd> ListenOn(const addrinfo& address) {
  UniqueFd fd(socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return FailErrno("Failed to create a socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ai_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    return FailErrno("Failed to find an available port");
  }
  if (listen(fd.get(), kBacklog) != 0) return FailErrno("Failed to listen on socket");
  return fd;
}

Result<ListeningSockets> ListenTcp(const MonitorSpec& spec) {
  DAVIT_ASSIGN(const AddressList addresses, ResolveTcp(spec));
  ListeningSockets sockets;
  for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
    if (!spec.allow_remote && !IsLoopback(*a)) {
      return Fail(fmt::format(
          "TCP address '{}:{}' can be reached from other hosts, and whoever reaches a QMP monitor "
          "owns the process; use 127.0.0.1, or say allow-remote=on",
          spec.host, spec.port));
    }
    Result<UniqueFd> fd = ListenOn(*a);
    // A host without IPv6 still has the name localhost with two addresses.
    if (!fd && a->ai_next == nullptr && sockets.fds.empty()) return Fail(std::move(fd).error());
    if (fd) sockets.fds.push_back(std::move(*fd));
  }
  return sockets;
}

Result<UniqueFd> AdoptFd(const MonitorSpec& spec) {
  UniqueFd fd(spec.fd);
  if (!IsSocket(spec.fd)) {
    (void)fd.release();  // not ours: 77 may be nobody's, 0 the terminal
    return Fail(fmt::format("File descriptor '{}' is not a socket", spec.fd));
  }
  int listening = 0;
  socklen_t size = sizeof listening;
  getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
  if ((listening != 0) != spec.server) {
    return Fail(fmt::format("File descriptor '{}' is {} listening socket (server={})", spec.fd,
                            listening != 0 ? "a" : "no", spec.server ? "on" : "off"));
  }
  fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  fcntl(fd.get(), F_SETFL, fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  return fd;
}

Result<UniqueFd> ConnectTcp(const MonitorSpec& spec) {
  DAVIT_ASSIGN(const AddressList addresses, ResolveTcp(spec));
  int error = ECONNREFUSED;
  for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
    if (!spec.allow_remote && !IsLoopback(*a)) {
      return Fail(
          fmt::format("TCP address '{}:{}' is on another host; say allow-remote=on to let "
                      "it own the process",
                      spec.host, spec.port));
    }
    UniqueFd fd = ConnectStream(a->ai_addr, a->ai_addrlen, &error);
    if (fd) return fd;
  }
  return FailErrno(fmt::format("Failed to connect to '{}:{}'", spec.host, spec.port), error);
}

Result<UniqueFd> ConnectUnix(const MonitorSpec& spec) {
  DAVIT_ASSIGN(const UnixName name, MakeUnixName(spec));
  int error = 0;
  UniqueFd fd = ConnectStream(Generic(name.address), name.length, &error);
  if (!fd) return FailErrno(fmt::format("Failed to connect to '{}'", spec.path), error);
  return fd;
}

// "host:port" of a socket's own address; empty: it has none.
std::string LocalTcpAddress(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];
  auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&address));
  if (getsockname(fd, generic, &size) != 0 ||
      getnameinfo(generic, size, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {};
  }
  const bool six = address.ss_family == AF_INET6;
  return fmt::format("{}{}{}:{}", six ? "[" : "", host, six ? "]" : "", port);
}

}  // namespace

Result<ListeningSockets> OpenListening(const MonitorSpec& spec) {
  if (spec.kind == MonitorSpec::Kind::kUnix) return ListenUnix(spec);
  if (spec.kind == MonitorSpec::Kind::kTcp) return ListenTcp(spec);
  DAVIT_ASSIGN(UniqueFd fd, AdoptFd(spec));
  ListeningSockets sockets;
  sockets.fds.push_back(std::move(fd));
  return sockets;
}

Result<UniqueFd> OpenConnected(const MonitorSpec& spec) {
  if (spec.kind == MonitorSpec::Kind::kUnix) return ConnectUnix(spec);
  if (spec.kind == MonitorSpec::Kind::kTcp) return ConnectTcp(spec);
  return AdoptFd(spec);
}

std::string DescribeMonitor(const MonitorSpec& spec, int fd) {
  const char* const server = spec.server ? ",server=on" : "";
  switch (spec.kind) {
    case MonitorSpec::Kind::kStdio:
      return "stdio";
    case MonitorSpec::Kind::kUnix:
      return fmt::format("unix:{}{}{}{}", spec.path, spec.abstract ? ",abstract=on" : "",
                         spec.abstract && spec.tight ? ",tight=on" : "", server);
    case MonitorSpec::Kind::kTcp: {
      const std::string address = fd >= 0 && spec.server ? LocalTcpAddress(fd) : std::string();
      if (!address.empty()) return fmt::format("tcp:{}{}", address, server);
      return fmt::format("tcp:{}:{}{}", spec.host, spec.port, server);
    }
    case MonitorSpec::Kind::kFd:
      break;
  }
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, static_cast<sockaddr*>(static_cast<void*>(&address)), &size) == 0 &&
      address.sun_family == AF_UNIX) {
    const size_t length = size > offsetof(sockaddr_un, sun_path)
                              ? strnlen(address.sun_path, size - offsetof(sockaddr_un, sun_path))
                              : 0;
    return fmt::format("unix:{}{}", std::string_view(address.sun_path, length), server);
  }
  const std::string tcp = LocalTcpAddress(fd);
  return tcp.empty() ? fmt::format("fd:{}", spec.fd) : fmt::format("tcp:{}{}", tcp, server);
}

}  // namespace davit::qmp
