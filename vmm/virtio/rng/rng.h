// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The entropy device (virtio 1.2, 5.4): one queue whose buffers are filled with random bytes, at
// most max_bytes a period. Threads: device.h; the source lives on the device's loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "vmm/backend/rng/rng.h"
#include "vmm/virtio/core/device.h"

namespace davit::virtio {

struct RngConfig {
  std::shared_ptr<backend::RngSource> source;
  uint64_t max_bytes = INT64_MAX;
  std::chrono::milliseconds period{65536};
};

class Rng final : public VirtioDevice {
 public:
  explicit Rng(RngConfig config);

  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t, std::span<uint8_t>) override {}  // it has none
  void WriteConfig(uint32_t, std::span<const uint8_t>) override {}
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override;
  void HandleQueue(uint16_t index) override;
  bool Reset() override;
  Status OnMemory() override;
  void OnRunning(bool running) override;

 private:
  // Lock held, on the loop.
  void Work();
  void Fill(std::span<const std::byte> bytes);
  void StartPeriod();

  const RngConfig config_;
  const DeviceTraits traits_;
  VirtQueue* queue_ = nullptr;
  bool running_ = true;
  uint64_t quota_;                        // bytes left in this period
  std::optional<DescriptorChain> chain_;  // waits for bytes
  bool asked_ = false;                    // the source owes bytes
  bool in_period_ = false;                // the timer runs
  std::unique_ptr<backend::RngSource::Request> request_;
  std::unique_ptr<io::Registration> timer_;
};

}  // namespace davit::virtio
