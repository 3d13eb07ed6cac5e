// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See live_memory.h.
#include "vmm/memory/live_memory.h"

#include <utility>

#include "vmm/base/log.h"

namespace davit::memory {

GuestMemory LiveMemory::Get() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

Status LiveMemory::Set(GuestMemory next) {
  const GuestMemory old = Get();
  for (size_t i = 0; i < listeners_.size(); ++i) {
    Status told = listeners_[i]->OnMemory(next);
    if (told) continue;
    while (i-- > 0) {
      // They had it a moment ago.
      if (Status back = listeners_[i]->OnMemory(old); !back) {
        DAVIT_LOG_ERROR("guest memory cannot be what it was: {}", back.error().message);
      }
    }
    return told;
  }
  const std::lock_guard lock(mutex_);
  current_ = std::move(next);
  return {};
}

Status LiveMemory::Follow(Listener& listener) {
  DAVIT_TRY(listener.OnMemory(Get()));
  listeners_.push_back(&listener);
  return {};
}

void LiveMemory::Forget(Listener& listener) { std::erase(listeners_, &listener); }

}  // namespace davit::memory
