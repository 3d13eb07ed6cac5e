// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A stream socket as a back end. A server has one client at a time, others wait in the backlog;
// while there is none, output is dropped. A client connects once, or with `reconnect` again and
// again without ever waiting. Owner: control thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vmm/backend/char/fd_chardev.h"
#include "vmm/backend/char/socket_address.h"
#include "vmm/backend/char/socket_connector.h"
#include "vmm/backend/char/spec.h"
#include "vmm/base/socket_file.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

class SocketChardev final : public FdChardev {
 public:
  // A server with wait=on tells `notify`, then waits for its first client; a client that connects
  // again tells it of the first failure.
  static Result<std::unique_ptr<Chardev>> Open(
      std::string id, io::EventLoop& loop, const SocketSpec& spec,
      const std::function<void(const std::string&)>& notify);
  ~SocketChardev() override;
  std::string filename() const override;

 private:
  using Notify = std::function<void(const std::string&)>;

  SocketChardev(std::string id, io::EventLoop& loop, const SocketSpec& spec, Notify notify)
      : FdChardev(std::move(id), loop), spec_(spec), notify_(std::move(notify)) {}
  Status StartServer();
  Status WatchListener();
  void WatchLater();
  // False: nobody was there.
  bool Accept();
  void Use(UniqueFd peer);
  // A client with `reconnect`.
  void TryConnect();
  void OnConnectEnd(UniqueFd fd, int error);
  void OnConnectFailed(int error);
  void ConnectLater();
  void OnHangup() override;
  bool NoticesHangup() const override { return true; }
  void OnWriteError() override { OnHangup(); }
  ssize_t WriteSome(int fd, std::span<const std::byte> data) override;

  const SocketSpec spec_;
  const Notify notify_;
  UniqueFd listener_;
  UniqueFd peer_;
  std::unique_ptr<io::Registration> accept_watch_;
  std::unique_ptr<io::Registration> accept_retry_;
  std::unique_ptr<SocketConnector> connector_;  // with `reconnect`
  std::unique_ptr<io::Registration> connect_retry_;
  bool failure_told_ = false;
  SocketFile socket_file_;  // UNIX server
};

}  // namespace davit::backend
