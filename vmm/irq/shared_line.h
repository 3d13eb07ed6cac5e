// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// One interrupt line that several devices drive: high while any input is. Inputs are made on one
// thread before use, and then set on any; they live as long as this does.
#pragma once

#include <deque>
#include <mutex>

#include "vmm/irq/irq_line.h"

namespace davit::irq {

class SharedLine {
 public:
  explicit SharedLine(IrqLine& line) : line_(line) {}  // outlives this

  IrqLine& NewInput() { return inputs_.emplace_back(*this); }

 private:
  class Input final : public IrqLine {
   public:
    explicit Input(SharedLine& shared) : shared_(shared) {}
    void Set(bool level) override {
      const std::lock_guard lock(shared_.mutex_);
      if (level == level_) return;
      level_ = level;
      shared_.high_ += level ? 1 : -1;
      if (shared_.high_ == (level ? 1 : 0)) shared_.line_.Set(level);
    }

   private:
    SharedLine& shared_;
    bool level_ = false;
  };

  IrqLine& line_;
  std::mutex mutex_;  // guards high_ and the inputs' levels
  int high_ = 0;
  std::deque<Input> inputs_;
};

}  // namespace davit::irq
