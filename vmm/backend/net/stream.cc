// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See stream.h.
#include "vmm/backend/net/stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string_view>
#include <utility>

#include "vmm/backend/char/socket_address.h"
#include "vmm/base/log.h"

namespace davit::backend {
namespace {

constexpr std::chrono::milliseconds kAcceptRetry{200};
constexpr int kDropsAtOnce = 64;  // frames that nobody takes, before others of the loop have a turn

}  // namespace

NetStream::NetStream(std::string id, const char* type, io::EventLoop& loop, OnPeer on_peer)
    : id_(std::move(id)),
      type_(type),
      loop_(loop),
      on_peer_(std::move(on_peer)),
      input_(kMaxFrame) {}

Result<std::unique_ptr<NetStream>> NetStream::Open(std::string id, const char* type,
                                                   const SocketSpec& spec, io::EventLoop& loop,
                                                   OnPeer on_peer) {
  std::unique_ptr<NetStream> stream(new NetStream(std::move(id), type, loop, std::move(on_peer)));
  DAVIT_TRY(stream->Start(spec));
  return stream;
}

Status NetStream::Start(const SocketSpec& spec) {
  if (!spec.server) {
    if (const auto* given = std::get_if<FdAddress>(&spec.address)) {
      given_ = true;
      return Use(UniqueFd(given->fd));
    }
    return Connect(spec);
  }
  DAVIT_ASSIGN(listener_, Listen(spec));
  if (const auto* address = std::get_if<UnixAddress>(&spec.address);
      address != nullptr && !address->abstract) {
    socket_file_ = SocketFile(address->path);
  }
  DAVIT_TRY(WatchListener());
  SetInfo();
  return {};
}

Status NetStream::WatchListener() {
  DAVIT_ASSIGN(accept_watch_, loop_.WatchReadable(listener_.get(), [this] { Accept(); }));
  return {};
}

// A peer that cannot be taken now keeps the listener readable: no watch for a while.
void NetStream::WatchListenerLater() {
  accept_watch_.reset();
  accept_retry_ = loop_.At(loop_.Now() + kAcceptRetry, [this] {
    if (!WatchListener()) WatchListenerLater();
  });
}

Status NetStream::Connect(const SocketSpec& spec) {
  DAVIT_ASSIGN(std::vector<Endpoint> endpoints, Endpoints(spec));
  connector_ = std::make_unique<SocketConnector>(
      loop_, std::move(endpoints), [this, spec](UniqueFd fd, int error) {
        Status status = fd ? Use(std::move(fd)) : Status(FailConnect(spec, error));
        if (status) return;
        DAVIT_LOG_WARN("netdev {}: {}", id_, status.error().message);
        if (std::string_view(type_) == "stream") info_ = "connection error";
      });
  if (const int error = connector_->Start(); error != 0) return FailConnect(spec, error);
  return {};
}

// Two ways to say it: that of -netdev socket and that of stream.
void NetStream::SetInfo() {
  info_.clear();
  if (!peer_) return;
  const SocketName name = PeerName(peer_.get());
  const bool is_unix = name.family == AF_UNIX;
  if (std::string_view(type_) == "stream") {
    info_ = is_unix ? fmt::format("unix:{}", name.host) : fmt::format("tcp:{}", HostPort(name));
  } else if (is_unix || given_) {
    info_ = fmt::format("socket: fd={}", peer_.get());
  } else {
    info_ =
        fmt::format("socket: {} {}", listener_ ? "connection from" : "connect to", HostPort(name));
  }
}

void NetStream::Accept() {
  UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      WatchListenerLater();
    }
    return;
  }
  accept_watch_.reset();  // one peer at a time; others wait in the backlog
  if (Status status = Use(std::move(peer)); !status) {
    DAVIT_LOG_WARN("netdev {}: {}", id_, status.error().message);
    Hangup();
  }
}

Status NetStream::Use(UniqueFd peer) {
  const int flags = fcntl(peer.get(), F_GETFL);
  if (flags < 0 || fcntl(peer.get(), F_SETFL, flags | O_NONBLOCK) != 0) {
    return FailErrno(fmt::format("file descriptor {}", peer.get()));
  }
  peer_ = std::move(peer);
  SetInfo();
  WatchPeer();
  if (client_ != nullptr) client_->OnLink(true);
  const SocketName name = PeerName(peer_.get());
  if (on_peer_) on_peer_(&name);
  return {};
}

void NetStream::Hangup() {
  read_watch_.reset();
  write_watch_.reset();
  peer_.reset();
  input_.Clear();
  output_.clear();
  SetInfo();
  if (client_ != nullptr) client_->OnLink(false);
  if (on_peer_) on_peer_(nullptr);
  if (listener_ && !WatchListener()) WatchListenerLater();
}

Status NetStream::Attach(NetClient* client, io::EventLoop& loop) {
  if (client != nullptr && client_ != nullptr) {
    return Fail(fmt::format("netdev '{}' is in use", id_));
  }
  if (client != nullptr && &loop != &loop_) {
    return Fail(fmt::format("netdev '{}' of type {} cannot serve an iothread", id_, type_));
  }
  client_ = client;
  receiving_ = false;
  WatchPeer();
  return {};
}

// --- from the peer
// -------------------------------------------------------------------------------------

// While the client takes nothing, up to the next whole frame: behind that the peer feels the full
// socket. So a peer that goes is noticed at any time but with a frame of its own in the way.
void NetStream::WatchPeer() {
  if (!peer_) return;
  if (client_ != nullptr && !receiving_ && !input_.Front().empty()) {
    read_watch_.reset();
    return;
  }
  if (read_watch_ != nullptr) return;
  auto watch = loop_.WatchReadable(peer_.get(), [this] { Readable(); });
  if (watch) read_watch_ = std::move(*watch);
}

void NetStream::Readable() {
  if (receiving_) return client_->OnReceivable(0);
  for (int i = 0; i < kDropsAtOnce; ++i) {
    switch (Read()) {
      case Input::kFrame:
        if (client_ != nullptr) return WatchPeer();
        input_.Pop();  // there is no card
        break;
      case Input::kNothing:
        return;
      case Input::kEnd:
        return Hangup();
    }
  }
}

NetStream::Input NetStream::Read() {
  for (;;) {
    if (!input_.Front().empty()) return Input::kFrame;
    const std::span<std::byte> space = input_.Space();
    const ssize_t n = recv(peer_.get(), space.data(), space.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return Input::kNothing;
    if (n <= 0) return Input::kEnd;
    if (Status status = input_.Filled(static_cast<size_t>(n)); !status) {
      DAVIT_LOG_WARN("netdev {}: {}", id_, status.error().message);
      return Input::kEnd;
    }
  }
}

size_t NetStream::Receive(unsigned, std::span<const iovec> out) {
  if (!peer_) return 0;
  switch (Read()) {
    case Input::kFrame: {
      const size_t n = Scatter(input_.Front(), out);
      input_.Pop();
      return n;
    }
    case Input::kNothing:
      return 0;
    case Input::kEnd:
      break;
  }
  // Not from within the client's call: it holds its lock.
  shutdown(peer_.get(), SHUT_RDWR);
  auto watch = loop_.WatchReadable(peer_.get(), [this] { Hangup(); });
  if (watch) read_watch_ = std::move(*watch);
  return 0;
}

void NetStream::StopReceiving(unsigned) {
  receiving_ = false;
  WatchPeer();
}

void NetStream::StartReceiving(unsigned) {
  receiving_ = true;
  WatchPeer();
}

// --- to the peer
// ---------------------------------------------------------------------------------------

SendResult NetStream::Send(unsigned, std::span<const iovec> frame) {
  if (!peer_) return SendResult::kSent;
  if (!output_.empty()) return SendResult::kFull;
  size_t size = 0;
  for (const iovec& piece : frame) size += piece.iov_len;
  auto prefix = StreamPrefix(size);
  std::vector<iovec> all{{prefix.data(), prefix.size()}};
  all.insert(all.end(), frame.begin(), frame.end());
  msghdr message{};
  message.msg_iov = all.data();
  message.msg_iovlen = all.size();
  ssize_t n;
  do {
    n = sendmsg(peer_.get(), &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n < 0 && errno != EAGAIN) return SendResult::kSent;  // reading finds the hang-up
  size_t sent = n < 0 ? 0 : static_cast<size_t>(n);
  if (sent == size + prefix.size()) return SendResult::kSent;
  // A frame begun must be ended: its rest is kept.
  const bool begun = sent != 0;
  if (begun) {
    for (const iovec& piece : all) {
      const size_t skip = std::min(sent, piece.iov_len);
      const auto* const data = static_cast<const std::byte*>(piece.iov_base);
      output_.insert(output_.end(), data + skip, data + piece.iov_len);
      sent -= skip;
    }
  }
  auto watch = loop_.WatchWritable(peer_.get(), [this] { Writable(); });
  if (watch) write_watch_ = std::move(*watch);
  return begun ? SendResult::kSent : SendResult::kFull;
}

void NetStream::Writable() {
  while (!output_.empty()) {
    const ssize_t n = send(peer_.get(), output_.data(), output_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      output_.clear();
      break;
    }
    output_.erase(output_.begin(), output_.begin() + n);
  }
  write_watch_.reset();
  if (client_ != nullptr) client_->OnSendable(0);
}

}  // namespace davit::backend
