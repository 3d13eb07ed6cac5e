// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/transport/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "vmm/base/log.h"

namespace davit::qmp {

Listener::Listener(boost::asio::io_context& io, UniqueFd fd, Accepted accepted)
    : socket_(io), pause_(io), accepted_(std::move(accepted)) {
  boost::system::error_code ignored;
  socket_.assign(fd.release(), ignored);
}

void Listener::Start() {
  if (!open_) return;
  socket_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& error) {
                       if (!error && self->open_) self->Turn();
                     });
}

void Listener::Stop() {
  open_ = false;
  boost::system::error_code ignored;
  socket_.close(ignored);
  pause_.cancel();
}

Result<UniqueFd> Listener::AcceptOne() {
  int fd = -1;
  do {
    fd = accept4(socket_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (fd < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return UniqueFd();
    return FailErrno("accept");
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // no effect on a UNIX socket
  return UniqueFd(fd);
}

void Listener::Turn() {
  for (int i = 0; i < kClientsPerTurn && open_; ++i) {
    Result<UniqueFd> client = AcceptOne();
    if (!client) {
      // Said once, not at every further try.
      if (!failing_) DAVIT_LOG_WARN("monitor: {}", client.error().message);
      failing_ = true;
      return Pause();
    }
    if (!*client) break;
    failing_ = false;
    accepted_(std::move(*client));
  }
  Start();
}

void Listener::Pause() {
  pause_.expires_after(std::chrono::milliseconds(200));
  pause_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->Start();
  });
}

}  // namespace davit::qmp
