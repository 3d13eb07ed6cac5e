// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// NetBackend over libslirp: a user-mode TCP/IP stack (NAT, DHCP, DNS, TFTP, port forwarding) that
// needs no rights on the host. See net_backend.h for threads and contract. The stack wants to be
// asked for its descriptors before each wait (slirp_pollfds_fill): here that is done after whatever
// may have changed them, once a turn of the loop.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vmm/backend/char/chardev.h"
#include "vmm/backend/net/net_backend.h"
#include "vmm/backend/net/user_options.h"

struct Slirp;

namespace davit::backend {

class User final : public NetBackend {
 public:
  // loop: the control thread's; the NIC must live on it too. chardevs: for guest_forwards, by
  // their index; null where one has a command. Error: a forwarding that cannot be set up.
  static Result<std::unique_ptr<User>> Create(std::string id, const UserNet& net,
                                              const std::vector<Chardev*>& chardevs,
                                              io::EventLoop& loop);
  ~User() override;

  const std::string& id() const override { return id_; }
  const char* type() const override { return "user"; }
  std::string info() const override { return info_; }

  Status Attach(NetClient* client, io::EventLoop& loop) override;
  SendResult Send(unsigned queue, std::span<const iovec> frame) override;
  size_t Receive(unsigned queue, std::span<const iovec> out) override;
  void StopReceiving(unsigned queue) override;
  void StartReceiving(unsigned queue) override;

 private:
  class GuestForwardPort;
  struct Callbacks;
  friend struct Callbacks;
  struct Watch {
    int events = 0;   // SLIRP_POLL_*
    int revents = 0;  // since the last Poll()
    std::unique_ptr<io::Registration> readable, writable;
  };
  struct StackTimer;

  User(std::string id, io::EventLoop& loop);
  Status Open(const UserNet& net, const std::vector<Chardev*>& chardevs);
  Status AddForwards(const UserNet& net, const std::vector<Chardev*>& chardevs);
  void Changed();  // schedules Update()
  void Update();
  void SetWatch(int fd, int events);
  void Fired(int fd, int event);
  void FromStack(std::span<const std::byte> frame);

  const std::string id_;
  std::string info_;
  io::EventLoop& loop_;
  Slirp* slirp_ = nullptr;
  NetClient* client_ = nullptr;
  bool receiving_ = false;
  std::deque<std::vector<std::byte>> frames_;  // from the stack, for the guest; bounded
  std::map<int, Watch> watches_;               // by descriptor
  std::unique_ptr<io::Registration> timeout_;
  bool update_posted_ = false;
  bool fired_ = false;  // a descriptor or the timeout
  std::vector<std::unique_ptr<GuestForwardPort>> ports_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace davit::backend
