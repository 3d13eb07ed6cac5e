// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See openers.h: -netdev socket, stream and dgram. Whoever reaches a listening address is a peer on
// the guest's network, so that, other than with character devices, any address may be named.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>

#include "vmm/backend/net/dgram.h"
#include "vmm/backend/net/stream.h"
#include "vmm/machine/net/openers.h"

namespace davit::machine {
namespace {

using Address = std::variant<backend::UnixAddress, backend::InetAddress>;

// "HOST:PORT"
Result<backend::InetAddress> ParseHostPort(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) {
    return Fail(
        fmt::format("host address '{}' doesn't contain ':' separating host from port", text));
  }
  backend::InetAddress address{text.substr(0, colon), text.substr(colon + 1), true, false};
  const bool number = !address.port.empty() &&
                      std::all_of(address.port.begin(), address.port.end(),
                                  [](char c) { return c >= '0' && c <= '9'; }) &&
                      address.port.size() <= 5 && std::stoi(address.port) <= 65535;
  if (!number) return Fail(fmt::format("port number '{}' is invalid", address.port));
  return address;
}

bool IsMulticast(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && IN_MULTICAST(ntohl(address.s_addr));
}

OpenedBackend OpenStream(const NetdevContext& context, const control::NetdevSpec& spec,
                         const char* type, const backend::SocketSpec& socket) {
  backend::NetStream::OnPeer on_peer;
  if (spec.type == "stream") {
    on_peer = [emit = context.emit, id = spec.id](const backend::SocketName* name) {
      using Peer = control::NetdevStreamEvent::Peer;
      control::NetdevStreamEvent event{id, std::nullopt};
      if (name != nullptr) {
        const Peer::Family family = name->family == AF_INET    ? Peer::Family::kInet
                                    : name->family == AF_INET6 ? Peer::Family::kInet6
                                                               : Peer::Family::kUnix;
        event.peer = Peer{family, name->host, name->port, name->abstract};
      }
      if (emit) emit(event);
    };
  }
  return backend::NetStream::Open(spec.id, type, socket, context.loop, std::move(on_peer));
}

OpenedBackend OpenMulticast(const NetdevContext& context, const control::NetdevSpec& spec,
                            const NetdevSpecReader& reader, const std::string& group) {
  backend::DgramSpec dgram;
  DAVIT_ASSIGN(const backend::InetAddress address, ParseHostPort(group));
  in_addr parsed{};
  if (inet_pton(AF_INET, address.host.c_str(), &parsed) != 1 ||
      !IN_MULTICAST(ntohl(parsed.s_addr))) {
    return Fail(
        fmt::format("specified mcastaddr {} (0x{:08x}) does not contain a multicast address",
                    address.host, ntohl(parsed.s_addr)));
  }
  dgram.remote = address;
  if (const auto local = reader.Text("localaddr")) {
    if (inet_pton(AF_INET, local->c_str(), &parsed) != 1) {
      return Fail(fmt::format("localaddr '{}' is not an IPv4 address", *local));
    }
    dgram.local = backend::InetAddress{*local, "0", true, false};
  }
  return backend::NetDgram::Open(spec.id, "socket", dgram, context.loop);
}

OpenedBackend OpenUdp(const NetdevContext& context, const control::NetdevSpec& spec,
                      const NetdevSpecReader& reader, const std::string& remote) {
  const auto local = reader.Text("localaddr");
  if (!local) return Fail("localaddr= is mandatory with udp=");
  backend::DgramSpec dgram;
  DAVIT_ASSIGN(dgram.remote, ParseHostPort(remote));
  DAVIT_ASSIGN(dgram.local, ParseHostPort(*local));
  return backend::NetDgram::Open(spec.id, "socket", dgram, context.loop);
}

OpenedBackend OpenGivenSocket(const NetdevContext& context, const control::NetdevSpec& spec,
                              UniqueFd fd) {
  int type = 0;
  socklen_t size = sizeof(type);
  getsockopt(fd.get(), SOL_SOCKET, SO_TYPE, &type, &size);
  if (type == SOCK_DGRAM) {
    backend::DgramSpec dgram;
    dgram.fd = fd.release();
    return backend::NetDgram::Open(spec.id, "socket", dgram, context.loop);
  }
  if (type != SOCK_STREAM) {
    return Fail(fmt::format("socket type={} for fd={} must be either SOCK_DGRAM or SOCK_STREAM",
                            type, fd.get()));
  }
  backend::SocketSpec socket;
  socket.address = backend::FdAddress{fd.release()};
  return OpenStream(context, spec, "socket", socket);
}

// The address of `prefix`: members "addr.type", "addr.host", ... With fd: `fd` is set.
Result<std::optional<Address>> ReadAddress(const NetdevSpecReader& reader,
                                           const std::string& prefix,
                                           std::optional<std::string>& fd) {
  const auto type = reader.Text(prefix + ".type");
  if (!type) return std::nullopt;
  if (*type == "unix") {
    return backend::UnixAddress{reader.Text(prefix + ".path").value_or(""),
                                reader.Bool(prefix + ".abstract").value_or(false),
                                reader.Bool(prefix + ".tight").value_or(true)};
  }
  if (*type == "inet") {
    return backend::InetAddress{reader.Text(prefix + ".host").value_or(""),
                                reader.Text(prefix + ".port").value_or(""),
                                reader.Bool(prefix + ".ipv4"), reader.Bool(prefix + ".ipv6")};
  }
  fd = reader.Text(prefix + ".str").value_or("");
  return std::nullopt;
}

Status CheckDgram(const std::string& local, const std::string& remote) {
  if (local.empty()) return Fail("dgram requires local= parameter");
  if (remote.empty()) {
    if (local != "fd") return Fail("type=inet or type=unix requires remote parameter");
    return {};
  }
  if (local == "fd") return Fail("don't set remote with local.fd");
  if (local != remote) return Fail("remote and local types must be the same");
  return {};
}

}  // namespace

OpenedBackend OpenSocketNetdev(const NetdevContext& context, const control::NetdevSpec& spec,
                               const control::NamedFdSource& named_fds) {
  const NetdevSpecReader reader(spec);
  const char* const kWays[] = {"fd", "listen", "connect", "mcast", "udp"};
  if (std::count_if(std::begin(kWays), std::end(kWays),
                    [&](const char* way) { return reader.Has(way); }) != 1) {
    return Fail("exactly one of listen=, connect=, mcast= or udp= is required");
  }
  if (reader.Has("localaddr") && !reader.Has("mcast") && !reader.Has("udp")) {
    return Fail("localaddr= is only valid with mcast= or udp=");
  }
  if (const auto group = reader.Text("mcast")) {
    return OpenMulticast(context, spec, reader, *group);
  }
  if (const auto remote = reader.Text("udp")) return OpenUdp(context, spec, reader, *remote);
  if (const auto fd = reader.Text("fd")) {
    DAVIT_ASSIGN(UniqueFd socket, TakeDescriptor(spec.id, *fd, named_fds, CheckSocket));
    return OpenGivenSocket(context, spec, std::move(socket));
  }
  backend::SocketSpec socket;
  socket.server = reader.Has("listen");
  socket.wait = false;
  socket.allow_remote = true;
  DAVIT_ASSIGN(socket.address, ParseHostPort(*reader.Text(socket.server ? "listen" : "connect")));
  return OpenStream(context, spec, "socket", socket);
}

OpenedBackend OpenStreamNetdev(const NetdevContext& context, const control::NetdevSpec& spec,
                               const control::NamedFdSource& named_fds) {
  const NetdevSpecReader reader(spec);
  backend::SocketSpec socket;
  socket.server = reader.Bool("server").value_or(false);
  socket.wait = false;
  socket.allow_remote = true;
  std::optional<std::string> fd;
  DAVIT_ASSIGN(const auto address, ReadAddress(reader, "addr", fd));
  if (fd) {
    DAVIT_ASSIGN(UniqueFd given, TakeDescriptor(spec.id, *fd, named_fds, CheckSocket));
    socket.address = backend::FdAddress{given.release()};
  } else if (address) {
    std::visit([&](const auto& kind) { socket.address = kind; }, *address);
  }
  return OpenStream(context, spec, "stream", socket);
}

OpenedBackend OpenDgramNetdev(const NetdevContext& context, const control::NetdevSpec& spec,
                              const control::NamedFdSource& named_fds) {
  const NetdevSpecReader reader(spec);
  const std::string local_type = reader.Text("local.type").value_or("");
  const std::string remote_type = reader.Text("remote.type").value_or("");
  std::optional<std::string> local_fd, remote_fd;
  backend::DgramSpec dgram;
  DAVIT_ASSIGN(dgram.local, ReadAddress(reader, "local", local_fd));
  DAVIT_ASSIGN(dgram.remote, ReadAddress(reader, "remote", remote_fd));
  if (remote_type == "inet" && IsMulticast(reader.Text("remote.host").value_or(""))) {
    if (!local_type.empty() && local_type != "inet") {
      return Fail(local_type == "fd" ? "local.type=fd is not available for a multicast group"
                                     : "only support inet or fd type for local");
    }
    return backend::NetDgram::Open(spec.id, "dgram", dgram, context.loop);
  }
  DAVIT_TRY(CheckDgram(local_type, remote_type));
  if (local_fd) {
    DAVIT_ASSIGN(UniqueFd given, TakeDescriptor(spec.id, *local_fd, named_fds, CheckSocket));
    dgram.fd = given.release();
  }
  return backend::NetDgram::Open(spec.id, "dgram", dgram, context.loop);
}

}  // namespace davit::machine
