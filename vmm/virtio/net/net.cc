// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See net.h: configuration, features, control queue, life time. Frames: net_frames.cc.
#include "vmm/virtio/net/net.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "vmm/base/log.h"
#include "vmm/virtio/net/rarp.h"

namespace davit::virtio {

namespace {

// Bits that need a back end which takes headers.
constexpr uint64_t kOffloads = net::kCsum | net::kGuestCsum | net::kGuestTso4 | net::kGuestTso6 |
                               net::kGuestEcn | net::kGuestUfo | net::kHostTso4 | net::kHostTso6 |
                               net::kHostEcn | net::kHostUfo;
constexpr uint64_t kAlways = net::kMac | net::kMrgRxbuf | net::kStatus | net::kCtrlVq |
                             net::kCtrlRx | net::kCtrlVlan | net::kCtrlRxExtra |
                             net::kGuestAnnounce | net::kCtrlMacAddr | net::kCtrlGuestOffloads;
constexpr uint64_t kSwitchable =
    net::kGuestCsum | net::kGuestTso4 | net::kGuestTso6 | net::kGuestEcn | net::kGuestUfo;
constexpr uint16_t kControlQueueSize = 64;

}  // namespace

Result<std::unique_ptr<Net>> Net::Create(NetConfig config) {
  std::unique_ptr<Net> net(new Net(std::move(config)));
  if (backend::NetBackend* const backend = net->config_.backend; backend != nullptr) {
    DAVIT_TRY(backend->Attach(net.get(), *net->config_.loop));
    net->backend_ = backend;
  }
  return net;
}

Net::Net(NetConfig config)
    : config_(std::move(config)),
      passes_headers_(config_.backend != nullptr && config_.backend->has_vnet_header()) {
  pairs_.resize(std::max<uint16_t>(config_.queue_pairs, 1));
  if (config_.backend != nullptr && config_.vhost.size() >= pairs_.size()) {
    std::vector<net::VhostPair> served;
    for (unsigned i = 0; i < pairs_.size(); ++i) {
      served.push_back({config_.vhost[i], config_.backend->kernel_queue(i)});
    }
    vhost_.emplace(std::move(served), passes_headers_);
  }
  MakeTraits();
  space_.mac = config_.mac;
  cable_up_ = config_.link_up;
  carrier_up_ = config_.backend == nullptr || config_.backend->connected();
  link_up_ = cable_up_ && carrier_up_;
  space_.status = link_up_ ? net::kStatusLinkUp : uint16_t{0};
  space_.max_virtqueue_pairs = static_cast<uint16_t>(pairs_.size());
  space_.mtu = config_.mtu;
  space_.speed = static_cast<uint32_t>(config_.speed);
  space_.duplex = config_.duplex;
  filter_.main_mac = config_.mac;
}

Net::~Net() {
  alive_.reset();
  if (backend_ != nullptr) (void)backend_->Attach(nullptr, *config_.loop);
}

void Net::MakeTraits() {
  traits_.name = "virtio-net";
  traits_.id = kIdNet;
  traits_.features = kAlways;
  if (passes_headers_) traits_.features |= kOffloads;
  if (config_.mq) traits_.features |= net::kMq;
  if (config_.mtu != 0) traits_.features |= net::kMtu;
  if (config_.speed != -1 || config_.duplex != 0xff) traits_.features |= net::kSpeedDuplex;
  traits_.features &= ~config_.features_off;
  if (vhost_) {
    traits_.features &= ~vhost_->missing();
    traits_.withheld = vhost_->withheld();
  }
  // The space ends behind the last field whose feature is offered.
  traits_.config_size = offsetof(net::Config, status);
  if ((traits_.features & net::kStatus) != 0) {
    traits_.config_size = offsetof(net::Config, max_virtqueue_pairs);
  }
  if ((traits_.features & net::kMq) != 0) traits_.config_size = offsetof(net::Config, mtu);
  if ((traits_.features & net::kMtu) != 0) traits_.config_size = offsetof(net::Config, speed);
  if ((traits_.features & net::kSpeedDuplex) != 0) traits_.config_size = sizeof(net::Config);
  for (size_t i = 0; i < pairs_.size(); ++i) {
    traits_.queue_sizes.push_back(config_.rx_queue_size);
    traits_.queue_sizes.push_back(config_.tx_queue_size);
  }
  traits_.queue_sizes.push_back(kControlQueueSize);
}

// --- configuration space
// ---------------------------------------------------------------------------

void Net::ReadConfig(uint32_t offset, std::span<uint8_t> out) {
  std::memcpy(out.data(), std::as_bytes(std::span(&space_, 1)).data() + offset, out.size());
}

// Nothing in it is the driver's to write (the MAC has its command, 5.1.4.1).
void Net::WriteConfig(uint32_t, std::span<const uint8_t>) {}

// --- control plane
// -----------------------------------------------------------------------------------

void Net::SetLink(bool up) {
  const auto lock = host().Lock();
  cable_up_ = up;
  LinkChanged();
}

void Net::LinkChanged() {
  const bool up = cable_up_ && carrier_up_;
  if (std::exchange(link_up_, up) == up) return;
  const uint16_t status = space_.status;
  space_.status =
      static_cast<uint16_t>(up ? status | net::kStatusLinkUp : status & ~net::kStatusLinkUp);
  host().ConfigChanged();
  ServeByKernel();
}

void Net::LoseBackend() {
  const auto lock = host().Lock();
  if (backend_ == nullptr) return;
  if (vhost_) {
    vhost_->Forget();
    if (active_pairs_ == 0) vhost_.reset();
  }
  (void)backend_->Attach(nullptr, *config_.loop);
  backend_ = nullptr;
  carrier_up_ = true;
  cable_up_ = false;
  LinkChanged();
  // What waited for the back end goes nowhere now.
  for (uint16_t i = 0; i < active_pairs_; ++i) {
    host().KickLater(static_cast<uint16_t>(2 * i + 1));
  }
}

bool Net::link() {
  const auto lock = host().Lock();
  return link_up_;
}

void Net::Announce() {
  const auto lock = host().Lock();
  if (backend_ != nullptr && link_up_) {
    auto frame = net::RarpRequest(space_.mac);
    net::Header header{};
    const iovec parts[] = {{&header, sizeof(header)}, {frame.data(), frame.size()}};
    const std::span<const iovec> all(parts);
    // Where there is no room the next round tells it.
    (void)backend_->Send(0, passes_headers_ ? all : all.subspan(1));
  }
  if ((features_ & net::kGuestAnnounce) == 0 || (features_ & net::kCtrlVq) == 0) return;
  space_.status = static_cast<uint16_t>(space_.status | net::kStatusAnnounce);
  host().ConfigChanged();
}

Net::RxFilterInfo Net::RxFilterState() {
  const auto lock = host().Lock();
  filter_told_ = false;
  return {filter_, (features_ & net::kCtrlVq) != 0};
}

// --- control queue
// -----------------------------------------------------------------------------------

void Net::FilterChanged() {
  if (std::exchange(filter_told_, true)) return;
  if (config_.on_rx_filter_change) config_.on_rx_filter_change();
}

void Net::SetMac(const net::MacAddress& mac) { space_.mac = mac; }

bool Net::SetQueuePairs(uint16_t pairs) {
  if (pairs == 0 || pairs > pairs_.size()) return false;
  active_pairs_ = pairs;
  Later([this] { ApplyToBackend(); });
  return true;
}

bool Net::SetGuestOffloads(uint64_t offloads) {
  offloads_ = offloads;
  Later([this] { ApplyToBackend(); });
  return true;
}

bool Net::AcknowledgeAnnounce() {
  if ((space_.status & net::kStatusAnnounce) == 0) return false;
  space_.status = static_cast<uint16_t>(space_.status & ~net::kStatusAnnounce);
  return true;
}

void Net::ServeControlQueue(VirtQueue& queue) {
  bool completed = false;
  for (uint16_t n = 0;; ++n) {
    if (n == queue.size()) {
      host().KickLater(control_index_);
      break;
    }
    auto popped = queue.Pop();
    if (!popped) return Broken(popped.error());
    if (!*popped) break;
    DescriptorChain chain = std::move(**popped);
    Writer writer = chain.writer();
    // Without room for an answer there is no request.
    if (writer.remaining() != 0) {
      const uint8_t answer = net::ServeControl(chain.reader(), features_, filter_, *this);
      if (Status status = writer.Write(answer); !status) return Broken(status.error());
    }
    const uint64_t written = writer.written();
    if (Status status = queue.Complete(std::move(chain), written); !status) {
      return Broken(status.error());
    }
    completed = true;
  }
  if (completed) queue.Notify();
}

// --- life time
// -----------------------------------------------------------------------------------------

void Net::Later(std::function<void()> fn) {
  host().loop().Post([this, alive = std::weak_ptr<bool>(alive_), fn = std::move(fn)] {
    if (alive.expired()) return;
    const auto lock = host().Lock();
    if (active_pairs_ != 0) fn();
  });
}

void Net::ApplyToBackend() {
  backend::NetBackend* const backend = backend_;
  if (backend == nullptr) return;
  backend::ReceiveOffloads offloads;
  offloads.checksum = (offloads_ & net::kGuestCsum) != 0;
  offloads.tso4 = (offloads_ & net::kGuestTso4) != 0;
  offloads.tso6 = (offloads_ & net::kGuestTso6) != 0;
  offloads.ecn = (offloads_ & net::kGuestEcn) != 0;
  offloads.ufo = (offloads_ & net::kGuestUfo) != 0;
  if (Status status = backend->SetReceiveOffloads(offloads); !status) {
    DAVIT_LOG_WARN("virtio-net: {}", status.error().message);
  }
  if (Status status = backend->SetActiveQueues(active_pairs_); !status) {
    DAVIT_LOG_WARN("virtio-net: {}", status.error().message);
  }
  for (unsigned i = 0; i < pairs_.size(); ++i) {
    if (Receives(i) && !vhost_) {
      backend->StartReceiving(i);
      ReceiveMore(i);  // what came before may be in memory, where no descriptor tells
    } else {
      backend->StopReceiving(i);
    }
  }
  ServeByKernel();
}

void Net::Broken(const Error& error) {
  broken_ = true;
  if (vhost_) vhost_->Stop();
  host().NeedsReset(error.message);
}

void Net::ServeByKernel() {
  if (!vhost_) return;
  const bool on = running_ && link_up_ && !broken_;
  if (Status status = vhost_->Serve(on ? active_pairs_ : 0); !status) Broken(status.error());
}

bool Net::IsControl(uint16_t index) const { return control_ != nullptr && index == control_index_; }

Status Net::Activate(uint64_t features, std::span<VirtQueue* const> queues) {
  features_ = features;
  offloads_ = features & kSwitchable;
  filter_.vlan_filtering = (features & net::kCtrlVlan) != 0;
  active_pairs_ = 1;
  // Without MQ there is one pair, and the control queue follows it (5.1.2).
  const bool mq = (features & net::kMq) != 0;
  const size_t usable = mq ? pairs_.size() : 1;
  for (size_t i = 0; i < usable; ++i) {
    pairs_[i].rx = queues[2 * i];
    pairs_[i].tx = queues[2 * i + 1];
    pairs_[i].receiver.Configure((features & net::kMrgRxbuf) != 0, passes_headers_);
    // Whether there are buffers matters when a frame comes, not before.
    if (pairs_[i].rx != nullptr && !vhost_) pairs_[i].rx->DisableKicks();
  }
  if (vhost_) DAVIT_TRY(vhost_->Attach(host(), features, queues.first(2 * usable)));
  control_index_ = static_cast<uint16_t>(2 * usable);
  if ((features & net::kCtrlVq) != 0) control_ = queues[control_index_];
  Later([this] { ApplyToBackend(); });
  return {};
}

bool Net::Reset() {
  if (vhost_) {
    vhost_->Detach();
    if (vhost_->empty()) vhost_.reset();
  }
  features_ = offloads_ = 0;
  active_pairs_ = 0;
  broken_ = false;
  control_ = nullptr;
  for (Pair& pair : pairs_) {
    pair.rx = pair.tx = nullptr;
    pair.receiver.Drop();
    pair.rx_starved = false;
  }
  space_.mac = config_.mac;
  space_.status = link_up_ ? net::kStatusLinkUp : uint16_t{0};
  filter_ = {};
  filter_.main_mac = config_.mac;
  return true;
}

void Net::OnRunning(bool running) {
  running_ = running;
  if (active_pairs_ != 0) ApplyToBackend();
  // The back end may have had room again meanwhile.
  for (uint16_t i = 0; running && !vhost_ && i < active_pairs_; ++i) {
    host().KickLater(static_cast<uint16_t>(2 * i + 1));
  }
}

void Net::HandleQueue(uint16_t index) {
  if (IsControl(index)) return ServeControlQueue(*control_);
  const auto pair = static_cast<unsigned>(PairOf(index));
  if (pair >= active_pairs_) return;
  if (index % 2 == 1) return Transmit(pair);
  // Buffers for frames that had none.
  if (!std::exchange(pairs_[pair].rx_starved, false)) return;
  pairs_[pair].rx->DisableKicks();
  ReceiveFrames(pair);
}

}  // namespace davit::virtio
