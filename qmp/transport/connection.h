// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Carries one session over descriptors. Works in turns on the io_context: run what is queued, read
// at most kReadsPerTurn buffers, execute, write all replies at once. What cannot go on waits for
// readiness, never the thread. A turn of one client is bounded, so that no other waits for long.
// Owner: control thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "qmp/session/session.h"
#include "vmm/base/unique_fd.h"

namespace davit::qmp {

// The descriptors of a client. `out` is empty when `in` serves both ways.
struct Stream {
  UniqueFd in;
  UniqueFd out;
};

class Connection final : public SessionHost, public std::enable_shared_from_this<Connection> {
 public:
  // `buffer` is the server's, shared by all connections: nothing in it outlives a turn.
  // `closed` is called once, by Stop() or a turn of the io_context.
  struct Env {
    boost::asio::io_context& io;
    const Dispatcher& dispatcher;
    EventHub& events;
    std::span<char> buffer;
  };
  Connection(Env env, Stream stream, uint64_t id, bool pretty, std::string label,
             std::function<void(Connection&)> closed);
  ~Connection() override;

  void Start(const Version& version);
  // Drops the client at once.
  void Stop();

  // For the end of the process: one attempt to write what is left (a reply that waits for a turn
  // included), and the descriptor to poll for
  // POLLOUT if some of it is left then (-1: none).
  void FlushBlocked();
  int fd_with_output();

  void WriteNow() override;

  void SessionReady() override { Schedule(); }
  void ReleaseReplySoon() override;
  void SessionOverflowed() override;

  const std::string& label() const { return label_; }
  uint64_t id() const { return id_; }

 private:
  static constexpr int kReadsPerTurn = 4;
  using Descriptor = boost::asio::posix::stream_descriptor;

  void Schedule();
  void Turn();
  // False: there is nothing to read now.
  bool ReadOnce();
  void Consume(std::string_view bytes);
  void Flush();
  void Arm();
  void WaitReadable();
  void WaitWritable();
  Descriptor& output() { return out_ ? *out_ : in_; }
  void CloseSoon();

  Env env_;
  Descriptor in_;
  std::optional<Descriptor> out_;
  const bool in_is_socket_;
  const bool out_is_socket_;
  int in_flags_ = -1;  // to restore: of descriptors that are no sockets
  int out_flags_ = -1;
  const uint64_t id_;
  const std::string label_;
  std::function<void(Connection&)> closed_;
  std::shared_ptr<Session> session_;

  std::string rest_;  // read and not yet taken by the session, from rest_at_ on
  size_t rest_at_ = 0;
  bool scheduled_ = false;
  bool reading_ = false;  // waiting for input
  bool writing_ = false;  // waiting for room for output
  bool readable_ = false;
  bool ended_ = false;   // end of input
  bool failed_ = false;  // the client cannot be written to
  bool open_ = true;
};

}  // namespace davit::qmp
