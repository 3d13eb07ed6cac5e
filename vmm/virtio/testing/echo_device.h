// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A device for tests of the core and the transports: copies the readable part of each request into
// its writable part, at once; with Seen::hold it keeps the chains instead. What it was told is in a
// Seen of the test's, which outlives it. Threads: as VirtioDevice.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "vmm/virtio/core/device.h"
#include "vmm/virtio/core/features.h"

namespace davit::virtio::testing {

inline constexpr uint64_t kFeatureOwn = Bit(3);

class EchoDevice final : public VirtioDevice {
 public:
  struct Seen {
    int handled = 0, resets = 0, activations = 0, drains = 0;
    uint64_t features = 0;
    std::vector<bool> enabled;
    bool running = true;
    std::vector<std::pair<uint16_t, DescriptorChain>> held;
    std::vector<VirtQueue*> queues;
    DeviceHost* host = nullptr;
    bool hold = false;
    bool async_reset = false;
  };
  explicit EchoDevice(Seen& seen) : seen_(seen) {
    traits_.name = "virtio-echo";
    traits_.id = 42;
    traits_.features = kFeatureOwn;
    traits_.queue_sizes = {16, 32};
    traits_.config_size = 6;
  }
  const DeviceTraits& traits() const override { return traits_; }
  void ReadConfig(uint32_t offset, std::span<uint8_t> out) override {
    std::memcpy(out.data(), config_ + offset, out.size());
  }
  void WriteConfig(uint32_t offset, std::span<const uint8_t> in) override {
    std::memcpy(config_ + offset, in.data(), in.size());
  }
  Status Activate(uint64_t features, std::span<VirtQueue* const> queues) override {
    ++seen_.activations;
    seen_.host = &host();
    seen_.features = features;
    seen_.queues.assign(queues.begin(), queues.end());
    seen_.enabled.clear();
    for (VirtQueue* queue : queues) seen_.enabled.push_back(queue != nullptr);
    return {};
  }
  void HandleQueue(uint16_t index) override {
    ++seen_.handled;
    VirtQueue& queue = *seen_.queues[index];
    for (;;) {
      auto chain = queue.Pop();
      if (!chain) return host().NeedsReset(chain.error().message);
      if (!chain->has_value()) break;
      if (seen_.hold) {
        seen_.held.emplace_back(index, std::move(**chain));
        continue;
      }
      Writer writer = (*chain)->writer();
      Reader reader = (*chain)->reader();
      while (reader.remaining() != 0 && writer.remaining() != 0) {
        const uint64_t n =
            std::min<uint64_t>({reader.remaining(), writer.remaining(), sizeof(buffer_)});
        (void)reader.Read(std::as_writable_bytes(std::span(buffer_).first(n)));
        (void)writer.Write(std::as_bytes(std::span(buffer_).first(n)));
      }
      (void)queue.Complete(std::move(**chain), writer.written());
    }
    queue.Notify();
  }
  bool Reset() override {
    ++seen_.resets;
    if (seen_.async_reset && !seen_.held.empty()) return false;
    seen_.held.clear();
    return true;
  }
  void OnRunning(bool running) override { seen_.running = running; }
  void Drain() override {
    ++seen_.drains;
    auto lock = host().Lock();
    if (seen_.async_reset && !seen_.held.empty()) {
      seen_.held.clear();
      host().ResetDone();
    }
  }

 private:
  Seen& seen_;
  DeviceTraits traits_;
  uint8_t config_[6] = {1, 2, 3, 4, 5, 6};
  uint8_t buffer_[256];
};

}  // namespace davit::virtio::testing
