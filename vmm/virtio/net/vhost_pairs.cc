// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vhost_pairs.h.
#include "vmm/virtio/net/vhost_pairs.h"

#include <fmt/format.h>

#include "vmm/base/log.h"
#include "vmm/virtio/net/wire.h"

namespace davit::virtio::net {
namespace {

// linux/vhost.h, VHOST_NET_F_VIRTIO_NET_HDR: the kernel makes and takes away the header itself.
constexpr uint64_t kKernelHeader = uint64_t{1} << 27;
constexpr uint32_t kRx = 0, kTx = 1;  // rings of a pair

}  // namespace

VhostPairs::VhostPairs(std::vector<VhostPair> pairs, bool tap_headers)
    : pairs_(std::move(pairs)), extra_(tap_headers ? 0 : kKernelHeader) {}

uint64_t VhostPairs::withheld() const {
  uint64_t bits = 0;
  for (const VhostPair& pair : pairs_) bits |= pair.rings->withheld();
  return bits;
}

uint64_t VhostPairs::missing() const {
  uint64_t bits = 0;
  for (const VhostPair& pair : pairs_) bits |= kMrgRxbuf & ~pair.rings->features();
  return bits;
}

Status VhostPairs::Attach(DeviceHost& host, uint64_t features, std::span<VirtQueue* const> queues) {
  features = (features & ~kKernelHeader) | extra_;
  for (size_t i = 0; i < pairs_.size() && 2 * i + 1 < queues.size(); ++i) {
    const auto both = queues.subspan(2 * i, 2);
    // A driver that has several pairs need not enable all.
    if (both[kRx] == nullptr && both[kTx] == nullptr && i != 0) continue;
    if (both[kRx] == nullptr || both[kTx] == nullptr) {
      return Fail(fmt::format("a queue of pair {} is not enabled", i));
    }
    for (VirtQueue* const queue : both) {
      queue->set_on_stop([this, &host] {
        Stop();
        host.NeedsReset("a queue was disabled by itself");
      });
    }
    DAVIT_TRY(pairs_[i].rings->Attach(host, features, static_cast<uint16_t>(2 * i), both));
  }
  return {};
}

Status VhostPairs::Serve(size_t n) {
  for (; served_ > n; --served_) StopPair(pairs_[served_ - 1]);
  for (; served_ < n && served_ < pairs_.size(); ++served_) {
    if (!pairs_[served_].rings->attached()) {
      return Fail(fmt::format("the queues of pair {} are not enabled", served_));
    }
    DAVIT_TRY(Start(pairs_[served_]));
  }
  return {};
}

Status VhostPairs::Start(const VhostPair& pair) {
  DAVIT_TRY(pair.rings->Start());
  for (const uint32_t ring : {kRx, kTx}) {
    if (Status status = pair.rings->kernel().SetNetBackend(ring, pair.tap); !status) {
      StopPair(pair);
      return status;
    }
  }
  return {};
}

void VhostPairs::StopPair(const VhostPair& pair) {
  for (const uint32_t ring : {kRx, kTx}) {
    if (Status status = pair.rings->kernel().SetNetBackend(ring, -1); !status) {
      DAVIT_LOG_WARN("vhost-net: {}", status.error().message);
    }
  }
  pair.rings->Stop();
}

Status VhostPairs::FollowMemory() {
  for (const VhostPair& pair : pairs_) DAVIT_TRY(pair.rings->FollowMemory());
  return {};
}

void VhostPairs::Detach() {
  Stop();
  for (const VhostPair& pair : pairs_) {
    if (pair.rings->attached()) pair.rings->Detach();
  }
}

void VhostPairs::Forget() {
  Detach();
  pairs_.clear();
}

}  // namespace davit::virtio::net
