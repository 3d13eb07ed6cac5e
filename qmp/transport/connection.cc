// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See the header.
#include "qmp/transport/connection.h"

#include <fcntl.h>
#include <poll.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

#include "qmp/transport/socket_io.h"
#include "vmm/base/log.h"

namespace davit::qmp {
namespace {

// Makes a pipe or terminal not block; returns the flags to restore, -1: none.
int MakeNonBlocking(int fd, bool socket) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK) != 0) return -1;
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  return socket ? -1 : flags;
}

}  // namespace

Connection::Connection(Env env, Stream stream, uint64_t id, bool pretty, std::string label,
                       std::function<void(Connection&)> closed)
    : env_(env),
      in_(env.io),
      in_is_socket_(IsSocket(stream.in.get())),
      out_is_socket_(stream.out ? IsSocket(stream.out.get()) : in_is_socket_),
      id_(id),
      label_(std::move(label)),
      closed_(std::move(closed)),
      session_(std::make_shared<Session>(env.dispatcher, env.events, *this, id, pretty)) {
  boost::system::error_code ignored;
  in_flags_ = MakeNonBlocking(stream.in.get(), in_is_socket_);
  in_.assign(stream.in.release(), ignored);
  if (stream.out) {
    out_flags_ = MakeNonBlocking(stream.out.get(), out_is_socket_);
    out_.emplace(env.io).assign(stream.out.release(), ignored);
  }
}

Connection::~Connection() { Stop(); }

void Connection::Start(const Version& version) {
  session_->Open(version);
  Flush();
  if (failed_) return CloseSoon();
  Arm();
}

void Connection::Stop() {
  if (!open_) return;
  open_ = false;
  session_->Close();
  boost::system::error_code ignored;
  if (in_flags_ >= 0) fcntl(in_.native_handle(), F_SETFL, in_flags_);
  in_.close(ignored);
  if (out_) {
    if (out_flags_ >= 0) fcntl(out_->native_handle(), F_SETFL, out_flags_);
    out_->close(ignored);
  }
  if (const auto closed = std::exchange(closed_, nullptr)) closed(*this);
}

void Connection::SessionOverflowed() {
  DAVIT_LOG_WARN("monitor {}: client {} does not read its events and is disconnected", label_, id_);
  CloseSoon();
}

void Connection::CloseSoon() {
  failed_ = true;
  Schedule();
}

void Connection::Schedule() {
  if (scheduled_ || !open_) return;
  scheduled_ = true;
  boost::asio::post(env_.io, [self = shared_from_this()] {
    self->scheduled_ = false;
    self->Turn();
  });
}

void Connection::Turn() {
  if (!open_) return;
  const std::shared_ptr<Connection> keep = shared_from_this();
  Consume({});
  for (int i = 0; i < kReadsPerTurn && readable_ && ReadOnce(); ++i) {
  }
  Flush();
  if (failed_) return Stop();
  Arm();
}

// Lets the session take what is left of earlier reads, then `bytes`.
void Connection::Consume(std::string_view bytes) {
  if (rest_.empty()) {
    const size_t taken = session_->Receive(bytes);
    rest_ = bytes.substr(taken);
    rest_at_ = 0;
    return;
  }
  rest_ += bytes;
  rest_at_ += session_->Receive(std::string_view(rest_).substr(rest_at_));
  if (rest_at_ == rest_.size()) {
    rest_ = std::string();
    rest_at_ = 0;
  }
}

bool Connection::ReadOnce() {
  if (!rest_.empty() || ended_ || failed_ || !session_->wants_input()) return false;
  std::vector<UniqueFd> fds;
  const IoResult got = ReadSome(in_.native_handle(), in_is_socket_, env_.buffer, fds);
  if (got.error == EAGAIN || got.error == EWOULDBLOCK) {
    readable_ = false;
    return false;
  }
  if (got.error != 0 || got.end) {
    // A connection reset is an end too: what was sent before it has been executed.
    ended_ = true;
    return false;
  }
  session_->BeginChunk(std::move(fds));
  Consume({env_.buffer.data(), got.bytes});
  // A short read has emptied the socket; a descriptor ends a read early, though.
  if (got.bytes < env_.buffer.size() && in_is_socket_) readable_ = false;
  return true;
}

void Connection::Flush() {
  std::string& output = session_->output();
  while (!output.empty() && !failed_ && !writing_) {
    const IoResult put = WriteSome(this->output().native_handle(), out_is_socket_, output);
    if (put.error == EAGAIN || put.error == EWOULDBLOCK) {
      WaitWritable();
      break;
    }
    failed_ = put.error != 0;
    output.erase(0, put.bytes);
  }
  session_->OutputSent();
}

void Connection::WriteNow() {
  Flush();
  if (failed_) Schedule();
}

// What the connection waits for next.
void Connection::Arm() {
  if (session_->wants_input()) {
    if (!rest_.empty() || readable_) {
      if (!ended_ || !rest_.empty()) Schedule();
    } else if (!ended_) {
      WaitReadable();
    }
  }
  // The end of the input closes a socket when all is answered; a pipe's other end may still listen.
  if (ended_ && rest_.empty() && session_->idle() && session_->output().empty() && !out_) {
    CloseSoon();
  }
}

void Connection::WaitReadable() {
  if (reading_) return;
  reading_ = true;
  in_.async_wait(Descriptor::wait_read,
                 [self = shared_from_this()](const boost::system::error_code& error) {
                   self->reading_ = false;
                   if (!self->open_ || error == boost::asio::error::operation_aborted) return;
                   // Also when it cannot be waited for (a regular file): it is always ready.
                   self->readable_ = true;
                   self->Turn();
                 });
}

void Connection::WaitWritable() {
  writing_ = true;
  output().async_wait(Descriptor::wait_write,
                      [self = shared_from_this()](const boost::system::error_code& error) {
                        self->writing_ = false;
                        if (!self->open_ || error == boost::asio::error::operation_aborted) return;
                        self->Turn();
                      });
}

void Connection::ReleaseReplySoon() {
  boost::asio::post(env_.io, [self = shared_from_this()] {
    self->session_->ReleaseReply();
    self->Turn();
  });
}

void Connection::FlushBlocked() {
  session_->ReleaseReply();
  writing_ = false;
  Flush();
}

int Connection::fd_with_output() {
  if (!open_ || failed_ || session_->output().empty()) return -1;
  return output().native_handle();
}

}  // namespace davit::qmp
