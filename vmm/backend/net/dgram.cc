// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See dgram.h.
#include "vmm/backend/net/dgram.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "vmm/backend/char/socket_address.h"

namespace davit::backend {
namespace {

// Until a full peer is tried again.
constexpr std::chrono::milliseconds kRetry{1};

using Address = std::variant<UnixAddress, InetAddress>;

template <typename T>
std::vector<std::byte> Bytes(const T& value, size_t size = sizeof(T)) {
  std::vector<std::byte> bytes(size);
  std::memcpy(bytes.data(), &value, size);
  return bytes;
}

const sockaddr* AsSockaddr(const std::vector<std::byte>& bytes) {
  return static_cast<const sockaddr*>(static_cast<const void*>(bytes.data()));
}

int Family(const std::vector<std::byte>& address) {
  sa_family_t family;
  std::memcpy(&family, address.data(), sizeof(family));
  return family;
}

Result<std::vector<std::byte>> Resolve(const UnixAddress& address) {
  DAVIT_ASSIGN(const Endpoint endpoint, UnixEndpoint(address));
  return Bytes(endpoint.address, endpoint.length);
}

Result<std::vector<std::byte>> Resolve(const InetAddress& address) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_family = address.ipv6.value_or(false) ? AF_INET6 : AF_INET;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(address.host.empty() ? "0.0.0.0" : address.host.c_str(),
                                address.port.c_str(), &hints, &found);
  if (error != 0) {
    return Fail(
        fmt::format("can't resolve host address '{}': {}", address.host, gai_strerror(error)));
  }
  std::vector<std::byte> bytes(found->ai_addrlen);
  std::memcpy(bytes.data(), found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return bytes;
}

Result<std::vector<std::byte>> ResolveAny(const Address& address) {
  return std::visit([](const auto& a) { return Resolve(a); }, address);
}

std::string Name(const std::vector<std::byte>& address) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (Family(address) == AF_UNIX) {
    sockaddr_un name{};
    std::memcpy(&name, address.data(), address.size());
    const bool abstract = name.sun_path[0] == '\0';
    return name.sun_path + (abstract ? 1 : 0);
  }
  if (getnameinfo(AsSockaddr(address), static_cast<socklen_t>(address.size()), host, sizeof(host),
                  port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV | NI_DGRAM) != 0) {
    return "?";
  }
  return fmt::format("{}:{}", host, port);
}

std::string_view Prefix(std::string_view type) { return type == "socket" ? "socket: " : ""; }

Result<UniqueFd> NewSocket(int family) {
  UniqueFd fd(socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return FailErrno("can't create datagram socket");
  return fd;
}

Status SetOption(int fd, int level, int option, const void* value, socklen_t size,
                 const char* what) {
  if (setsockopt(fd, level, option, value, size) == 0) return {};
  return FailErrno(fmt::format("can't set socket option {}", what));
}

}  // namespace

Result<std::unique_ptr<NetDgram>> NetDgram::Open(std::string id, const char* type,
                                                 const DgramSpec& spec, io::EventLoop& loop) {
  std::unique_ptr<NetDgram> dgram(new NetDgram(std::move(id), type, loop));
  DAVIT_TRY(dgram->Make(spec));
  return dgram;
}

Status NetDgram::Make(const DgramSpec& spec) {
  if (spec.fd >= 0) {
    socket_ = UniqueFd(spec.fd);
    const int flags = fcntl(socket_.get(), F_GETFL);
    if (flags < 0 || fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
      return FailErrno(fmt::format("file descriptor {}", socket_.get()));
    }
    info_ = fmt::format("{}fd={}", Prefix(type_), socket_.get());
    return {};
  }
  if (!spec.remote) return Fail("remote= is required for a datagram socket without fd=");
  DAVIT_ASSIGN(remote_, ResolveAny(*spec.remote));
  if (Family(remote_) == AF_INET) {
    sockaddr_in group{};
    std::memcpy(&group, remote_.data(), sizeof(group));
    if (IN_MULTICAST(ntohl(group.sin_addr.s_addr))) return MakeMulticast(group, spec);
  }
  if (!spec.local) return Fail("remote= requires local= parameter");
  DAVIT_ASSIGN(const std::vector<std::byte> local, ResolveAny(*spec.local));
  if (Family(local) != Family(remote_)) return Fail("local= and remote= are of different kinds");
  DAVIT_ASSIGN(socket_, NewSocket(Family(local)));
  const int on = 1;
  const auto* const path = std::get_if<UnixAddress>(&*spec.local);
  if (path != nullptr) {
    DAVIT_TRY(PrepareUnixBind(*path, socket_.get()));
  } else {
    DAVIT_TRY(SetOption(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on), "SO_REUSEADDR"));
  }
  if (bind(socket_.get(), AsSockaddr(local), static_cast<socklen_t>(local.size())) != 0) {
    const int error = errno;
    return FailErrno(fmt::format("can't bind {} to socket", Name(local)), error);
  }
  if (path != nullptr && !path->abstract) socket_file_ = SocketFile(path->path);
  if (std::string_view(type_) == "socket") {
    info_ = fmt::format("socket: udp={}", Name(remote_));
  } else {
    const char separator = Family(local) == AF_UNIX ? ':' : '/';
    info_ = fmt::format("udp={}{}{}", Name(local), separator, Name(remote_));
  }
  return {};
}

// The group's port is bound too; several processes of this host may have it.
Status NetDgram::MakeMulticast(const sockaddr_in& group, const DgramSpec& spec) {
  DAVIT_ASSIGN(socket_, NewSocket(AF_INET));
  const int fd = socket_.get();
  const int on = 1;
  DAVIT_TRY(SetOption(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on), "SO_REUSEADDR"));
  if (bind(fd, AsSockaddr(remote_), static_cast<socklen_t>(remote_.size())) != 0) {
    return FailErrno(fmt::format("can't bind ip={} to socket", Name(remote_)));
  }
  ip_mreq membership{};
  membership.imr_multiaddr = group.sin_addr;
  membership.imr_interface.s_addr = htonl(INADDR_ANY);
  if (spec.local) {
    DAVIT_ASSIGN(const std::vector<std::byte> local, ResolveAny(*spec.local));
    if (Family(local) != AF_INET) return Fail("the local address of a multicast group is IPv4");
    sockaddr_in interface {};
    std::memcpy(&interface, local.data(), sizeof(interface));
    membership.imr_interface = interface.sin_addr;
    DAVIT_TRY(SetOption(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface.sin_addr,
                        sizeof(interface.sin_addr), "IP_MULTICAST_IF"));
  }
  if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)) != 0) {
    char text[INET_ADDRSTRLEN];
    return FailErrno(fmt::format("can't add socket to multicast group {}",
                                 inet_ntop(AF_INET, &group.sin_addr, text, sizeof(text))));
  }
  DAVIT_TRY(SetOption(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &on, sizeof(on), "IP_MULTICAST_LOOP"));
  info_ = fmt::format("{}mcast={}", Prefix(type_), Name(remote_));
  return {};
}

Status NetDgram::Attach(NetClient* client, io::EventLoop& loop) {
  if (client != nullptr && client_ != nullptr) {
    return Fail(fmt::format("netdev '{}' is in use", id_));
  }
  if (client != nullptr && &loop != &loop_) {
    return Fail(fmt::format("netdev '{}' of type {} cannot serve an iothread", id_, type_));
  }
  client_ = client;
  read_watch_.reset();
  write_watch_.reset();
  return {};
}

SendResult NetDgram::Send(unsigned, std::span<const iovec> frame) {
  std::vector<iovec> pieces(frame.begin(), frame.end());
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = pieces.size();
  if (!remote_.empty()) {
    message.msg_name = remote_.data();
    message.msg_namelen = static_cast<socklen_t>(remote_.size());
  }
  ssize_t n;
  do {
    n = sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  // Nobody listens, or the datagram is too long: lost, as on a wire.
  if (n >= 0 || errno != EAGAIN) return SendResult::kSent;
  const auto retry = [this] {
    write_watch_.reset();
    if (client_ != nullptr) client_->OnSendable(0);
  };
  // Of a UNIX peer that is named with each datagram poll() does not tell whether it has room: the
  // socket counts as writable all the time.
  if (!remote_.empty() && Family(remote_) == AF_UNIX) {
    write_watch_ = loop_.At(loop_.Now() + kRetry, retry);
    return SendResult::kFull;
  }
  auto watch = loop_.WatchWritable(socket_.get(), retry);
  if (!watch) return SendResult::kSent;
  write_watch_ = std::move(*watch);
  return SendResult::kFull;
}

size_t NetDgram::Receive(unsigned, std::span<const iovec> out) {
  for (;;) {
    const ssize_t n = readv(socket_.get(), out.data(), static_cast<int>(out.size()));
    if (n > 0) return static_cast<size_t>(n);
    if (n == 0 || errno == EINTR || errno == ECONNREFUSED) continue;  // an empty frame is none
    return 0;
  }
}

void NetDgram::StopReceiving(unsigned) { read_watch_.reset(); }

void NetDgram::StartReceiving(unsigned) {
  if (read_watch_ != nullptr || client_ == nullptr) return;
  auto watch = loop_.WatchReadable(socket_.get(), [this] { client_->OnReceivable(0); });
  if (watch) read_watch_ = std::move(*watch);
}

}  // namespace davit::backend
