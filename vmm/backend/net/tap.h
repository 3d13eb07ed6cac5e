// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// NetBackend over a tap device. See net_backend.h for threads and contract.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vmm/backend/net/net_backend.h"
#include "vmm/backend/net/tap_device.h"

namespace davit::backend {

class Tap final : public NetBackend {
 public:
  // info: as "info network" prints it ("ifname=tap0,script=no,downscript=no"). at_end: once, when
  // the back end goes (the down script); may be empty.
  Tap(std::string id, TapDevice device, std::string info, std::function<void()> at_end);
  ~Tap() override;

  const std::string& id() const override { return id_; }
  const char* type() const override { return "tap"; }
  std::string info() const override { return info_; }
  unsigned queues() const override { return static_cast<unsigned>(queues_.size()); }

  int kernel_queue(unsigned queue) const override { return queues_[queue].fd.get(); }
  Status Attach(NetClient* client, io::EventLoop& loop) override;
  bool has_vnet_header() const override { return vnet_header_; }
  Status SetReceiveOffloads(const ReceiveOffloads& offloads) override;
  Status SetActiveQueues(unsigned n) override;
  SendResult Send(unsigned queue, std::span<const iovec> frame) override;
  size_t Receive(unsigned queue, std::span<const iovec> out) override;
  void StopReceiving(unsigned queue) override;
  void StartReceiving(unsigned queue) override;

 private:
  struct Queue {
    UniqueFd fd;
    std::unique_ptr<io::Registration> readable, writable;
  };

  const std::string id_;
  const std::string info_;
  const bool vnet_header_;
  const std::function<void()> at_end_;
  std::vector<Queue> queues_;
  NetClient* client_ = nullptr;
  io::EventLoop* loop_ = nullptr;
};

}  // namespace davit::backend
