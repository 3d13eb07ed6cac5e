// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The network card under the abuse suite: two queue pairs, a control queue, frames that arrive all
// the time, and a back end that is sometimes full.
#include <algorithm>

#include "vmm/base/check.h"
#include "vmm/virtio/net/net.h"
#include "vmm/virtio/testing/abuse_suite.h"

namespace davit::virtio {
namespace {

class NoisyNet final : public backend::NetBackend {
 public:
  const std::string& id() const override { return id_; }
  const char* type() const override { return "noisy"; }
  std::string info() const override { return ""; }
  unsigned queues() const override { return 2; }
  Status Attach(backend::NetClient* client, io::EventLoop&) override {
    client_ = client;
    return {};
  }
  bool has_vnet_header() const override { return true; }
  Status SetReceiveOffloads(const backend::ReceiveOffloads&) override { return {}; }
  Status SetActiveQueues(unsigned) override { return {}; }
  backend::SendResult Send(unsigned, std::span<const iovec>) override {
    return ++sent_ % 5 == 0 ? backend::SendResult::kFull : backend::SendResult::kSent;
  }
  size_t Receive(unsigned queue, std::span<const iovec> out) override {
    if (waiting_[queue] == 0) return 0;
    // Of any size, so that buffers taken for a large one are left over.
    const std::vector<std::byte> frame(--waiting_[queue] % 2 == 0 ? 80 : 9000, std::byte{0x11});
    return backend::Scatter(frame, out);
  }
  void StopReceiving(unsigned) override {}
  void StartReceiving(unsigned) override {}

  void Work() {
    for (const unsigned queue : {0U, 1U}) {
      waiting_[queue] = 4;
      if (client_ != nullptr) client_->OnReceivable(queue);
      if (client_ != nullptr) client_->OnSendable(queue);
    }
  }

 private:
  const std::string id_ = "noisy";
  backend::NetClient* client_ = nullptr;
  int sent_ = 0;
  int waiting_[2] = {};
};

NoisyNet& Backend() {
  static NoisyNet backend;
  return backend;
}

std::unique_ptr<VirtioDevice> Make(io::FakeEventLoop& loop) {
  NetConfig config;
  config.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
  config.queue_pairs = 2;
  config.mq = true;
  config.backend = &Backend();
  config.loop = &loop;
  auto net = Net::Create(config);
  DAVIT_CHECK(net);
  return std::move(*net);
}

DAVIT_VIRTIO_ABUSE_SUITE(Net, (AbuseTarget{.make = Make, .served = {1, 4}, .settle = [](Driver&) {
                                             Backend().Work();
                                           }}));

}  // namespace
}  // namespace davit::virtio
