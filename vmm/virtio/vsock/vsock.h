// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The socket device (virtio 1.2, 5.10): AF_VSOCK between guest and host. The host's kernel serves
// the receive and the transmit queue (/dev/vhost-vsock), and with them all packets; here are the
// guest's context id, negotiation, and that the kernel has the rings only while the VM runs. The
// event queue keeps the buffers that the driver gives it: its one event, the reset of the
// transport, is for a guest that finds itself on another host.
//
// Threads: as device.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "vmm/virtio/core/device.h"
#include "vmm/virtio/vhost/kernel.h"
#include "vmm/virtio/vhost/rings.h"

namespace davit::virtio {

enum class Seqpacket : uint8_t { kAuto, kOn, kOff };

struct VsockConfig {
  uint64_t guest_cid = 0;                  // 3 to 2^32 - 1, of this guest alone on its host
  Seqpacket seqpacket = Seqpacket::kAuto;  // SOCK_SEQPACKET; auto: if the kernel has it
};

class Vsock final : public VirtioDevice {
 public:
  // Error: QEMU's words for a context id that cannot be or is taken, and for what the kernel says.
  static Status Check(const VsockConfig& config);
  static Result<std::unique_ptr<Vsock>> Create(const VsockConfig& config,
                                               std::unique_ptr<vhost::Kernel> kernel);

  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t offset, std::span<uint8_t> out) override;
  void WriteConfig(uint32_t offset, std::span<const uint8_t> in) override;
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override;
  void HandleQueue(uint16_t index) override;
  bool Reset() override;
  void OnRunning(bool running) override;
  Status OnMemory() override { return rings_->FollowMemory(); }

 private:
  static constexpr uint64_t kFeatureSeqpacket = Bit(1);
  // 5.10.2; the first two are the kernel's.
  static constexpr uint16_t kQueues = 3, kKernelQueues = 2, kQueueSize = 128;

  Vsock(const VsockConfig& config, std::unique_ptr<vhost::Rings> rings);
  Status Run();  // hands the rings to the kernel
  void Halt();   // and takes them back

  const VsockConfig config_;
  const std::unique_ptr<vhost::Rings> rings_;
  DeviceTraits traits_;
  bool running_ = true;  // the VM
  bool served_ = false;  // the kernel has the rings
};

}  // namespace davit::virtio
