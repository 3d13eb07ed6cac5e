// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A network card (virtio 1.2, 5.1): pairs of receive and transmit queues, then a control queue,
// between a driver and a back end (vmm/backend/net). Frame headers pass through where the back end
// takes them; otherwise no offload is offered and the header is empty.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vmm/backend/net/net_backend.h"
#include "vmm/virtio/core/device.h"
#include "vmm/virtio/net/control.h"
#include "vmm/virtio/net/receiver.h"
#include "vmm/virtio/net/rx_filter.h"
#include "vmm/virtio/net/vhost_pairs.h"
#include "vmm/virtio/net/wire.h"

namespace davit::virtio {

struct NetConfig {
  net::MacAddress mac{};
  uint16_t queue_pairs = 1;  // 1..256
  bool mq = false;           // VIRTIO_NET_F_MQ is offered, also with one pair
  uint16_t rx_queue_size = 256, tx_queue_size = 256;  // powers of two, 256..1024
  uint16_t mtu = 0;                                   // host_mtu=; 0: not told
  int32_t speed = -1;                                 // Mb/s; -1: unknown
  uint8_t duplex = 0xff;                              // 0 half, 1 full, 0xff unknown
  // Bits of the device that its properties took away (csum=off, mrg_rxbuf=off, ...).
  uint64_t features_off = 0;
  // May be null: the card's cable is not plugged in anywhere. Outlives the device, or
  // LoseBackend().
  backend::NetBackend* backend = nullptr;
  // Of each queue of the back end, to let the host's kernel serve it; empty: all are served here.
  // They outlive the device, or LoseBackend().
  std::vector<vhost::Rings*> vhost = {};
  bool link_up = true;            // as SetLink()
  io::EventLoop* loop = nullptr;  // the device's: where the back end calls
  // The first change of the receive filter since RxFilterState(). Device lock held, any thread.
  std::function<void()> on_rx_filter_change = {};
  std::shared_ptr<void> keep = {};  // released when the device goes
};

class Net final : public VirtioDevice, private backend::NetClient, private net::ControlTarget {
 public:
  // Error: the back end is in use.
  static Result<std::unique_ptr<Net>> Create(NetConfig config);
  ~Net() override;

  // --- the control plane: control thread, no lock held ---
  // The operator's word. The driver sees a link when the back end has a peer too.
  void SetLink(bool up);
  bool link();
  // The back end is about to go: the link is down. Only on the device's loop.
  void LoseBackend();
  // Tells the network where the card is (rarp.h), and asks the driver to tell more (gratuitous
  // packets with its addresses). Only on the device's loop.
  void Announce();
  struct RxFilterInfo {
    net::RxFilter filter;
    bool active = false;  // negotiated: the driver sets it
  };
  RxFilterInfo RxFilterState();
  const net::MacAddress& mac() const { return config_.mac; }

  // --- VirtioDevice ---
  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t offset, std::span<uint8_t> out) override;
  void WriteConfig(uint32_t offset, std::span<const uint8_t> in) override;
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override;
  void HandleQueue(uint16_t index) override;
  bool Reset() override;
  void OnRunning(bool running) override;
  Status OnMemory() override { return vhost_ ? vhost_->FollowMemory() : Status(); }

 private:
  struct Pair {
    VirtQueue* rx = nullptr;
    VirtQueue* tx = nullptr;
    net::Receiver receiver;
    bool rx_starved = false;       // a frame waits for buffers
    bool rx_posted = false;        // ReceiveMore() is on its way, also over a reset
    std::vector<iovec> tx_pieces;  // room for those of the next frame
  };
  enum class Received : uint8_t { kFrame, kNone, kStarved, kBroken };

  explicit Net(NetConfig config);
  void MakeTraits();
  size_t PairOf(uint16_t index) const { return index / 2; }
  bool IsControl(uint16_t index) const;

  // --- backend::NetClient (device's loop, no lock held) ---
  void OnReceivable(unsigned queue) override;
  void OnSendable(unsigned queue) override;
  void OnLink(bool up) override;

  // --- net::ControlTarget (lock held) ---
  void FilterChanged() override;
  void SetMac(const net::MacAddress& mac) override;
  bool SetQueuePairs(uint16_t pairs) override;
  bool SetGuestOffloads(uint64_t offloads) override;
  bool AcknowledgeAnnounce() override;

  // --- lock held ---
  bool Receives(unsigned pair) const {
    return pair < active_pairs_ && running_ && !broken_ && pairs_[pair].rx != nullptr;
  }
  void ReceiveFrames(unsigned pair);
  void ReceiveMore(unsigned pair);  // ReceiveFrames() in the loop's next turn, once in a turn
  Received ReceiveOne(unsigned pair);
  void Transmit(unsigned pair);
  // False: the back end is full and the chain went back, or the driver broke the rules.
  bool TransmitOne(unsigned pair, VirtQueue& queue, DescriptorChain chain);
  void ServeControlQueue(VirtQueue& queue);
  // Runs fn later on the device's loop with the lock held, unless the device is gone or was reset.
  void Later(std::function<void()> fn);
  void LinkChanged();
  void ApplyToBackend();  // offloads, queues, receiving: as negotiated. Loop.
  void ServeByKernel();   // or not, as things are; without vhost nothing
  void Broken(const Error& error);

  const NetConfig config_;
  DeviceTraits traits_;
  net::Config space_{};
  net::RxFilter filter_;
  backend::NetBackend* backend_ = nullptr;
  std::optional<net::VhostPairs> vhost_;      // of as many pairs as there are
  const bool passes_headers_;                 // of the back end, also when it has gone
  bool cable_up_ = true, carrier_up_ = true;  // SetLink(), OnLink()
  bool link_up_ = true;                       // both
  bool filter_told_ = true;  // on_rx_filter_change waits for the next RxFilterState()

  uint64_t features_ = 0;
  std::vector<Pair> pairs_;    // all, negotiated or not
  uint16_t active_pairs_ = 0;  // 0: not active
  bool broken_ = false;        // until the reset
  VirtQueue* control_ = nullptr;
  uint16_t control_index_ = 0;
  bool running_ = true;
  uint64_t offloads_ = 0;  // bits of the features that the driver has switched on
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace davit::virtio
