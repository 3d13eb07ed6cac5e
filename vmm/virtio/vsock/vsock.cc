// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See vsock.h.
#include "vmm/virtio/vsock/vsock.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "vmm/base/endian.h"
#include "vmm/base/log.h"

namespace davit::virtio {

Status Vsock::Check(const VsockConfig& config) {
  // 0 to 2 mean the hypervisor, this host, and nobody (5.10.4).
  if (config.guest_cid <= 2) return Fail("guest-cid property must be greater than 2");
  if (config.guest_cid > UINT32_MAX) return Fail("guest-cid property must be a 32-bit number");
  return {};
}

Result<std::unique_ptr<Vsock>> Vsock::Create(const VsockConfig& config,
                                             std::unique_ptr<vhost::Kernel> kernel) {
  DAVIT_TRY(Check(config));
  DAVIT_ASSIGN(auto rings, vhost::Rings::Create(std::move(kernel)));
  if ((rings->features() & kFeatureVersion1) == 0) {
    return Fail("vhost-vsock: the host's kernel has no VIRTIO_F_VERSION_1");
  }
  if (config.seqpacket == Seqpacket::kOn && (rings->features() & kFeatureSeqpacket) == 0) {
    return Fail("vhost-vsock backend doesn't support seqpacket");
  }
  if (Status set = rings->kernel().SetGuestCid(config.guest_cid); !set) {
    return Fail(fmt::format("vhost-vsock: unable to set guest cid: {}", set.error().message));
  }
  return std::unique_ptr<Vsock>(new Vsock(config, std::move(rings)));
}

Vsock::Vsock(const VsockConfig& config, std::unique_ptr<vhost::Rings> rings)
    : config_(config), rings_(std::move(rings)) {
  traits_.name = "vhost-vsock";
  traits_.id = kIdVsock;
  if (config_.seqpacket != Seqpacket::kOff) {
    traits_.features = rings_->features() & kFeatureSeqpacket;
  }
  traits_.withheld = rings_->withheld();
  traits_.queue_sizes.assign(kQueues, kQueueSize);
  traits_.config_size = sizeof(uint64_t);
}

void Vsock::ReadConfig(uint32_t offset, std::span<uint8_t> out) {
  std::array<uint8_t, sizeof(uint64_t)> cid;
  StoreLe(cid.data(), cid.size(), config_.guest_cid);
  std::copy_n(cid.begin() + offset, out.size(), out.begin());
}

void Vsock::WriteConfig(uint32_t, std::span<const uint8_t>) {}

// --- life ----------------------------------------------------------------------------------------

Status Vsock::Activate(uint64_t features, std::span<VirtQueue* const> queues) {
  const auto served = queues.first(kKernelQueues);
  for (size_t i = 0; i < served.size(); ++i) {
    if (served[i] == nullptr) return Fail(fmt::format("queue {} is not enabled", i));
    served[i]->set_on_stop([this] {
      Halt();
      host().NeedsReset("a queue was disabled by itself");
    });
  }
  DAVIT_TRY(rings_->Attach(host(), features, 0, served));
  return running_ ? Run() : Status();
}

void Vsock::HandleQueue(uint16_t) {}

bool Vsock::Reset() {
  Halt();
  rings_->Detach();
  return true;
}

void Vsock::OnRunning(bool running) {
  running_ = running;
  if (!rings_->attached()) return;
  if (!running) return Halt();
  if (Status status = Run(); !status) host().NeedsReset(status.error().message);
}

Status Vsock::Run() {
  DAVIT_TRY(rings_->Start());
  if (Status status = rings_->kernel().SetVsockRunning(true); !status) {
    rings_->Stop();
    return status;
  }
  served_ = true;
  return {};
}

void Vsock::Halt() {
  if (!std::exchange(served_, false)) return;
  if (Status status = rings_->kernel().SetVsockRunning(false); !status) {
    DAVIT_LOG_WARN("vhost-vsock: {}", status.error().message);
  }
  rings_->Stop();
}

}  // namespace davit::virtio
