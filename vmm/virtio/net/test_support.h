// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A network card between a driver (vmm/virtio/testing) and a back end that does as the test says.
// One thread.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vmm/base/endian.h"
#include "vmm/virtio/net/net.h"
#include "vmm/virtio/testing/driver.h"

namespace davit::virtio {

inline constexpr uint16_t kRx = 0, kTx = 1, kControl = 2;
inline const std::string kNoHeader(sizeof(net::Header), '\0');

class FakeNet final : public backend::NetBackend {
 public:
  const std::string& id() const override { return id_; }
  const char* type() const override { return "fake"; }
  std::string info() const override { return ""; }
  unsigned queues() const override { return 4; }
  Status Attach(backend::NetClient* client, io::EventLoop&) override {
    if (client != nullptr && client_ != nullptr) return Fail("netdev 'fake' is in use");
    client_ = client;
    return {};
  }
  bool has_vnet_header() const override { return headers; }
  Status SetReceiveOffloads(const backend::ReceiveOffloads& o) override {
    offloads = o;
    return {};
  }
  Status SetActiveQueues(unsigned n) override {
    active = n;
    return {};
  }
  backend::SendResult Send(unsigned, std::span<const iovec> frame) override {
    if (full) return backend::SendResult::kFull;
    if (on_send) on_send();
    std::string text;
    for (const iovec& piece : frame) {
      text.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
    }
    sent.push_back(text);
    return backend::SendResult::kSent;
  }
  size_t Receive(unsigned, std::span<const iovec> out) override {
    if (waiting.empty()) return 0;
    if (on_receive) on_receive();
    const std::string frame = waiting.front();
    waiting.pop_front();
    pieces = out.size();
    const size_t n = backend::Scatter(std::as_bytes(std::span(frame)), out);
    if (on_received) on_received();
    return n;
  }
  void StopReceiving(unsigned) override { receiving = false; }
  void StartReceiving(unsigned) override { receiving = true; }

  void Arrive(const std::string& frame) {
    waiting.push_back(frame);
    Poke();
  }
  void Poke() {
    if (receiving) client_->OnReceivable(0);
  }
  bool connected() const override { return peer; }
  void SetPeer(bool there) { client_->OnLink(peer = there); }
  void MakeRoom() {
    full = false;
    client_->OnSendable(0);
  }

  bool headers = true, full = false, receiving = false, peer = true;
  unsigned active = 0;
  backend::ReceiveOffloads offloads;
  std::vector<std::string> sent;
  std::deque<std::string> waiting;
  size_t pieces = 0;                  // of the last Receive()
  std::function<void()> on_received;  // the frame is in place and not yet told of
  std::function<void()> on_receive, on_send;

 private:
  std::string id_ = "fake";
  backend::NetClient* client_ = nullptr;
};

class NetTest : public ::testing::Test {
 protected:
  void Start(NetConfig config = {}, testing::DriverOptions options = {}) {
    config.mac = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    config.backend = &fake_;
    config.loop = &loop_;
    config.on_rx_filter_change = [this] { ++filter_changes_; };
    auto net = Net::Create(config);
    ASSERT_TRUE(net) << net.error();
    net_ = net->get();
    driver_ = std::make_unique<testing::Driver>(std::move(*net), options);
    driver_->loop().RunPosted();
  }
  void PostBuffers(int n, uint32_t size) {
    for (int i = 0; i < n; ++i) driver_->queue(kRx).Add().Writable(size).Publish();
    driver_->queue(kRx).Kick();
  }
  // The answer of a control command.
  int Control(uint8_t cls, uint8_t command, const std::string& data) {
    const std::string head{static_cast<char>(cls), static_cast<char>(command)};
    driver_->queue(kControl).Add().Readable(head + data).Writable(1).Publish();
    driver_->queue(kControl).Kick();
    driver_->loop().RunPosted();
    const auto used = driver_->queue(kControl).CollectUsed();
    return used.size() == 1 && used[0].length == 1 ? used[0].bytes[0] : -1;
  }
  static std::string Frame(size_t size, const std::string& to = "\xff\xff\xff\xff\xff\xff") {
    std::string frame = to + std::string("\x52\x54\0\x12\x34\x57\x88\xb5", 8);
    while (frame.size() < size) frame += static_cast<char>('a' + frame.size() % 26);
    return frame;
  }
  static std::string Header(uint16_t buffers) {
    net::Header header{};
    header.num_buffers = buffers;
    std::string text(sizeof(header), '\0');
    std::memcpy(text.data(), &header, sizeof(header));
    return text;
  }

  FakeNet fake_;  // outlives the device
  io::FakeEventLoop loop_;
  int filter_changes_ = 0;
  Net* net_ = nullptr;
  std::unique_ptr<testing::Driver> driver_;
};

}  // namespace davit::virtio
