// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// MsiController of tests: remembers each triggered message, in order. Any thread. The controller
// outlives its routes.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "vmm/irq/msi.h"

namespace davit::irq {

class RecordingMsi final : public MsiController {
 public:
  Result<std::unique_ptr<MsiRoute>> NewRoute() override { return std::make_unique<Route>(*this); }
  // What was triggered since the last call.
  std::vector<MsiMessage> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(messages_, {});
  }

 private:
  class Route final : public MsiRoute {
   public:
    explicit Route(RecordingMsi& owner) : owner_(owner) {}
    Status Set(MsiMessage message) override {
      const std::lock_guard lock(owner_.mutex_);
      message_ = message;
      set_ = true;
      return {};
    }
    void Trigger() override {
      const std::lock_guard lock(owner_.mutex_);
      if (set_) owner_.messages_.push_back(message_);
    }
    Result<int> event_fd() override { return Fail("no eventfd in a test"); }

   private:
    RecordingMsi& owner_;
    MsiMessage message_;
    bool set_ = false;
  };

  std::mutex mutex_;
  std::vector<MsiMessage> messages_;
};

}  // namespace davit::irq
