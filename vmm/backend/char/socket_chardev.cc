// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See socket_chardev.h.
#include "vmm/backend/char/socket_chardev.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "vmm/backend/char/socket_address.h"
#include "vmm/base/log.h"
#include "vmm/base/waiting.h"

namespace davit::backend {
namespace {

std::string UnixText(const std::string& path, bool abstract, bool tight) {
  if (!abstract) return "unix:" + path;
  return fmt::format("unix:{},abstract=on{}", path, tight ? ",tight=on" : "");
}

}  // namespace

Result<std::unique_ptr<Chardev>> SocketChardev::Open(
    std::string id, io::EventLoop& loop, const SocketSpec& spec,
    const std::function<void(const std::string&)>& notify) {
  std::unique_ptr<SocketChardev> chardev(new SocketChardev(std::move(id), loop, spec, notify));
  if (spec.server) {
    DAVIT_TRY(chardev->StartServer());
  } else if (spec.reconnect != 0) {
    DAVIT_ASSIGN(std::vector<Endpoint> endpoints, Endpoints(spec));
    chardev->connector_ = std::make_unique<SocketConnector>(
        loop, std::move(endpoints), [self = chardev.get()](UniqueFd fd, int error) {
          self->OnConnectEnd(std::move(fd), error);
        });
    chardev->TryConnect();
  } else {
    DAVIT_ASSIGN(UniqueFd peer, ConnectTo(spec));
    chardev->Use(std::move(peer));
  }
  return chardev;
}

Status SocketChardev::StartServer() {
  DAVIT_ASSIGN(listener_, Listen(spec_));
  const auto* unix = std::get_if<UnixAddress>(&spec_.address);
  if (unix && !unix->abstract) socket_file_ = SocketFile(unix->path);
  SetNonBlocking(listener_.get());
  if (!spec_.wait) return WatchListener();

  if (notify_) notify_(fmt::format("info: waiting for connection on: {}", filename()));
  while (!peer_) {
    if (!WaitUntilReadable(listener_.get())) {
      return FailErrno(fmt::format("waiting for a connection of chardev '{}'", id()));
    }
    Accept();
  }
  return {};
}

SocketChardev::~SocketChardev() { Disconnect(); }

std::string SocketChardev::filename() const {
  const char* server = spec_.server ? ",server=on" : "";
  if (connected()) {
    const SocketName local = LocalName(peer_.get());
    if (local.family == AF_UNIX) {
      return UnixText(local.host, local.abstract, true) + server;
    }
    return fmt::format("tcp:{}{} <-> {}", HostPort(local), server, HostPort(PeerName(peer_.get())));
  }
  if (const auto* unix = std::get_if<UnixAddress>(&spec_.address)) {
    return "disconnected:" + UnixText(unix->path, unix->abstract, unix->tight) + server;
  }
  if (listener_) {  // the port that the system has chosen
    const SocketName local = LocalName(listener_.get());
    if (local.family == AF_UNIX) {
      return "disconnected:" + UnixText(local.host, local.abstract, true) + server;
    }
    return fmt::format("disconnected:tcp:{}:{}{}", local.host, local.port, server);
  }
  if (const auto* inet = std::get_if<InetAddress>(&spec_.address)) {
    return fmt::format("disconnected:tcp:{}:{}", inet->host, inet->port);
  }
  return fmt::format("disconnected:fd:{}", std::get<FdAddress>(spec_.address).fd);
}

Status SocketChardev::WatchListener() {
  DAVIT_ASSIGN(accept_watch_, loop().WatchReadable(listener_.get(), [this] { Accept(); }));
  return {};
}

// The client that cannot be taken now keeps the listener readable: no watch for a while.
void SocketChardev::WatchLater() {
  accept_watch_.reset();
  accept_retry_ = loop().At(loop().Now() + std::chrono::milliseconds(200), [this] {
    if (Status status = WatchListener(); !status) {
      DAVIT_LOG_ERROR("chardev '{}': no further clients: {}", id(), status.error().message);
    }
  });
}

bool SocketChardev::Accept() {
  UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) WatchLater();
    return false;
  }
  accept_watch_.reset();
  accept_retry_.reset();
  Use(std::move(peer));
  return true;
}

void SocketChardev::Use(UniqueFd peer) {
  SetNonBlocking(peer.get());
  if (spec_.nodelay) {
    const int on = 1;
    setsockopt(peer.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  peer_ = std::move(peer);
  Connect(peer_.get(), peer_.get());
}

void SocketChardev::OnHangup() {
  if (!connected()) return;
  Disconnect();
  peer_.reset();
  if (connector_ != nullptr) return ConnectLater();
  if (!listener_) return;
  if (Status status = WatchListener(); !status) {
    DAVIT_LOG_ERROR("chardev '{}': no further clients: {}", id(), status.error().message);
  }
}

// --- a client that connects again --------------------------------------------------------------

void SocketChardev::TryConnect() {
  if (const int error = connector_->Start(); error != 0) OnConnectFailed(error);
}

void SocketChardev::OnConnectEnd(UniqueFd fd, int error) {
  if (!fd) return OnConnectFailed(error);
  failure_told_ = false;
  Use(std::move(fd));
}

void SocketChardev::OnConnectFailed(int error) {
  if (!std::exchange(failure_told_, true) && notify_) {
    notify_(fmt::format("Unable to connect character device {}: {}", id(),
                        FailConnect(spec_, error).value().message));
  }
  ConnectLater();
}

void SocketChardev::ConnectLater() {
  connect_retry_ =
      loop().At(loop().Now() + std::chrono::seconds(spec_.reconnect), [this] { TryConnect(); });
}

ssize_t SocketChardev::WriteSome(int fd, std::span<const std::byte> data) {
  return send(fd, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace davit::backend
