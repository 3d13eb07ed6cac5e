// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A network card between a driver and a back end that do as they please: frames of any size and
// content both ways, buffers of any size, any bytes on the control queue, features left out, a back
// end that is full, goes, or loses its peer. Checks that what the driver gets back fits what it
// gave, and that the filter stays within its bounds.
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/virtio/net/net.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {
namespace {

using backend::SendResult;

class AnyBackend final : public backend::NetBackend {
 public:
  explicit AnyBackend(bool headers) : headers_(headers) {}
  const std::string& id() const override { return id_; }
  const char* type() const override { return "any"; }
  std::string info() const override { return ""; }
  unsigned queues() const override { return 2; }
  Status Attach(backend::NetClient* client, io::EventLoop&) override {
    client_ = client;
    return {};
  }
  bool has_vnet_header() const override { return headers_; }
  SendResult Send(unsigned queue, std::span<const iovec> frame) override {
    DAVIT_CHECK(queue < 2 && !frame.empty());
    return full_ ? SendResult::kFull : SendResult::kSent;
  }
  size_t Receive(unsigned, std::span<const iovec> out) override {
    const std::vector<std::byte> frame = std::exchange(frame_, {});
    DAVIT_CHECK(backend::Scatter(frame, out) == frame.size());
    return frame.size();
  }
  void StopReceiving(unsigned) override { receiving_ = false; }
  void StartReceiving(unsigned) override { receiving_ = true; }

  void Arrive(std::vector<std::byte> frame) {
    if (client_ == nullptr || !receiving_) return;
    frame_ = std::move(frame);
    client_->OnReceivable(0);
  }
  void SetFull(bool full) {
    full_ = full;
    if (!full && client_ != nullptr) client_->OnSendable(0);
  }
  void SetPeer(bool there) {
    if (client_ != nullptr) client_->OnLink(there);
  }

 private:
  const std::string id_ = "any";
  const bool headers_;
  bool full_ = false, receiving_ = false;
  std::vector<std::byte> frame_;
  backend::NetClient* client_ = nullptr;
};

class NetFuzz {
 public:
  NetFuzz(const uint8_t* data, size_t size)
      : stream_(data, size), backend_((stream_.Next() & 1) != 0) {
    NetConfig config;
    config.queue_pairs = 2;
    config.mq = true;
    config.backend = &backend_;
    config.loop = &loop_;
    auto net = Net::Create(std::move(config));
    net_ = net->get();
    testing::DriverOptions options;
    options.features = ~(uint64_t{stream_.Next()} << 15 | uint64_t{stream_.Next()});
    options.features |= kFeatureVersion1;
    options.queue_size = 8;
    options.frontend.packed = (stream_.Next() & 1) != 0;
    driver_ = std::make_unique<testing::Driver>(std::move(*net), options);
  }

  void Run() {
    while (!stream_.done()) {
      Step(stream_.Next());
      for (const uint16_t queue : {kReceive, kTransmit, Control()}) {
        for (const testing::Used& used : driver_->queue(queue).CollectUsed()) {
          DAVIT_CHECK(used.bytes.size() == used.length);
          --outstanding_[queue];
        }
      }
      const net::RxFilter filter = net_->RxFilterState().filter;
      DAVIT_CHECK(filter.unicast.size() + filter.multicast.size() <= net::RxFilter::kMaxAddresses);
    }
  }

 private:
  static constexpr uint16_t kReceive = 0, kTransmit = 1;

  // It follows the last pair that there is (5.1.2).
  uint16_t Control() const { return (driver_->features() & net::kMq) != 0 ? 4 : 2; }
  std::vector<uint8_t> Bytes(size_t n) {
    std::vector<uint8_t> bytes(n);
    for (uint8_t& byte : bytes) byte = stream_.Next();
    return bytes;
  }
  uint32_t Size() {
    const uint8_t how = stream_.Next();
    return (how & 3) == 0 ? 1 + how * 64U : 1U + how / 4;
  }
  void Publish(uint16_t queue, const std::vector<uint8_t>& readable, uint32_t writable) {
    // The device may keep them: no buffers, a full back end, NEEDS_RESET. Three descriptors each.
    if (outstanding_[queue] == 2) return Restart();
    ++outstanding_[queue];
    auto chain = driver_->queue(queue).Add();
    if (!readable.empty()) {
      chain.ReadablePieces(readable,
                           std::max<uint32_t>(1, static_cast<uint32_t>((readable.size() + 1) / 2)));
    }
    if (writable != 0) chain.Writable(writable);
    chain.Publish();
    driver_->queue(queue).Kick();
  }
  void Step(uint8_t what) {
    switch (what & 15) {
      case 0:
      case 1:
        return Publish(kReceive, {}, Size());
      case 2:
      case 3:
      case 4: {
        std::vector<std::byte> frame(Size());
        for (std::byte& byte : frame) byte = std::byte{stream_.Next()};
        backend_.Arrive(std::move(frame));
        return;
      }
      case 5:
      case 6:
        return Publish(kTransmit, Bytes(Size() % 80 + 1), 0);
      case 7:
        return backend_.SetFull((what & 16) != 0);
      case 8:
        return backend_.SetPeer((what & 16) != 0);
      case 9:
        return net_->SetLink((what & 16) != 0);
      case 10:
        if (what == 0xfa) net_->LoseBackend();
        return net_->Announce();
      case 11:
        return Restart();
      default: {
        // Mostly commands that exist.
        std::vector<uint8_t> request = Bytes(2 + stream_.Next() % 24);
        request[0] %= 7;
        request[1] %= 4;
        return Publish(Control(), request, what >> 6);
      }
    }
  }
  void Restart() {
    outstanding_.fill(0);
    driver_->Reset();
    (void)driver_->Start();
    driver_->loop().RunPosted();
  }

  fuzz::AccessStream stream_;
  AnyBackend backend_;
  io::FakeEventLoop loop_;
  Net* net_ = nullptr;
  std::unique_ptr<testing::Driver> driver_;
  std::array<int, 5> outstanding_{};  // chains of each queue that have not come back
};

}  // namespace
}  // namespace davit::virtio

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  davit::virtio::NetFuzz(data, size).Run();
  return 0;
}
