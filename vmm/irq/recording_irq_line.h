// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// IrqLine of tests: remembers the level and counts the rising edges. Any thread.
#pragma once

#include <atomic>

#include "vmm/irq/irq_line.h"

namespace davit::irq {

class RecordingIrqLine final : public IrqLine {
 public:
  void Set(bool level) override {
    if (level && !level_.exchange(true)) ++rises_;
    if (!level) level_ = false;
  }
  bool level() const { return level_; }
  int rises() const { return rises_; }

 private:
  std::atomic<bool> level_{false};
  std::atomic<int> rises_{0};
};

}  // namespace davit::irq
