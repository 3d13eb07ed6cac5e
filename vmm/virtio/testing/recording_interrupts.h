// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// DeviceInterrupts of tests: counts. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "vmm/virtio/core/interrupts.h"

namespace davit::virtio::testing {

class RecordingInterrupts final : public DeviceInterrupts {
 public:
  void RaiseQueue(uint16_t queue) override {
    const std::lock_guard lock(mutex_);
    ++queues_[queue];
  }
  void RaiseConfig() override {
    const std::lock_guard lock(mutex_);
    ++config_;
  }
  // How often, since the beginning or the last Clear().
  int queue(uint16_t index) {
    const std::lock_guard lock(mutex_);
    return queues_[index];
  }
  int config() {
    const std::lock_guard lock(mutex_);
    return config_;
  }
  void Clear() {
    const std::lock_guard lock(mutex_);
    queues_.clear();
    config_ = 0;
  }

 private:
  std::mutex mutex_;
  std::map<uint16_t, int> queues_;
  int config_ = 0;
};

}  // namespace davit::virtio::testing
