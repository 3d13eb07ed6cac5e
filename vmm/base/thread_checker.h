// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Asserts a class's "owner thread" rule. Binds to the thread of the first call after
// construction or Detach().
#pragma once

#include <atomic>
#include <thread>

#include "vmm/base/check.h"

namespace davit {

class ThreadChecker {
 public:
  bool CalledOnOwner() const {
    std::thread::id none;
    const std::thread::id self = std::this_thread::get_id();
    return owner_.compare_exchange_strong(none, self) || none == self;
  }
  void Detach() { owner_.store(std::thread::id()); }

 private:
  mutable std::atomic<std::thread::id> owner_{};
};

}  // namespace davit

#define DAVIT_ON_OWNER(checker) DAVIT_CHECK((checker).CalledOnOwner())
