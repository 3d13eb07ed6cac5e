// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// NetBackend over a stream socket (frame_stream.h): -netdev stream, and socket with listen=,
// connect= or a stream fd=. A server has one peer at a time; a client connects while the VM runs
// on, once. Without a peer frames are lost and the card's link is down. See net_backend.h for
// threads and contract.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vmm/backend/char/socket_address.h"
#include "vmm/backend/char/socket_connector.h"
#include "vmm/backend/char/spec.h"
#include "vmm/backend/net/frame_stream.h"
#include "vmm/backend/net/net_backend.h"
#include "vmm/base/socket_file.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

class NetStream final : public NetBackend {
 public:
  // The peer came (null: went). Loop thread; within Open() for an fd= alone.
  using OnPeer = std::function<void(const SocketName* peer)>;

  // type: "socket" or "stream". loop: the NIC's. A host's name is looked up before this returns.
  // Error: the socket cannot be made; connecting failed at once.
  static Result<std::unique_ptr<NetStream>> Open(std::string id, const char* type,
                                                 const SocketSpec& spec, io::EventLoop& loop,
                                                 OnPeer on_peer);

  const std::string& id() const override { return id_; }
  const char* type() const override { return type_; }
  std::string info() const override { return info_; }
  bool connected() const override { return static_cast<bool>(peer_); }

  Status Attach(NetClient* client, io::EventLoop& loop) override;
  SendResult Send(unsigned queue, std::span<const iovec> frame) override;
  size_t Receive(unsigned queue, std::span<const iovec> out) override;
  void StopReceiving(unsigned queue) override;
  void StartReceiving(unsigned queue) override;

 private:
  NetStream(std::string id, const char* type, io::EventLoop& loop, OnPeer on_peer);
  Status Start(const SocketSpec& spec);
  Status Connect(const SocketSpec& spec);
  Status WatchListener();
  void WatchListenerLater();
  void Accept();
  Status Use(UniqueFd peer);
  void Hangup();
  enum class Input { kFrame, kNothing, kEnd };
  // Up to the next whole frame, which is then input_.Front().
  Input Read();
  void Readable();
  void Writable();
  void WatchPeer();
  void SetInfo();

  const std::string id_;
  const char* const type_;
  io::EventLoop& loop_;
  const OnPeer on_peer_;
  std::string info_;
  UniqueFd listener_, peer_;
  SocketFile socket_file_;                      // UNIX server
  std::unique_ptr<SocketConnector> connector_;  // client
  std::unique_ptr<io::Registration> accept_watch_, accept_retry_, read_watch_, write_watch_;
  NetClient* client_ = nullptr;
  bool receiving_ = false;
  bool given_ = false;  // fd=
  FrameAssembler input_;
  std::vector<std::byte> output_;  // the rest of a frame that the socket did not take
};

}  // namespace davit::backend
