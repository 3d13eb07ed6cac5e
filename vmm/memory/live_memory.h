// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Guest RAM as it is now: the one place where the table of regions is exchanged (memory is plugged
// or unplugged). Two ways to follow it:
//
//   a Listener is told each new table before anything of it is promised to the guest, and can
//   refuse it: KVM's memory slots, virtio devices (which keep a copy under their own lock, so that
//   a request takes none), vhost, MSIs of qtest;
//   Get() for single accesses that are far apart: DMA of fw_cfg, qtest commands.
//
// Old tables keep their mappings while somebody has one: a request on its way ends in memory.
// Get() on any thread; all else on the control thread.
#pragma once

#include <mutex>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/memory/guest_memory.h"

namespace davit::memory {

class LiveMemory {
 public:
  class Listener {
   public:
    // The table becomes `next`. Error: it cannot; the listener stays with the one that it has.
    virtual Status OnMemory(const GuestMemory& next) = 0;

   protected:
    ~Listener() = default;
  };

  LiveMemory() = default;  // no RAM at all
  LiveMemory(const LiveMemory&) = delete;
  LiveMemory& operator=(const LiveMemory&) = delete;

  GuestMemory Get() const;
  // Tells the listeners, the first added first. Error: a listener's; those before it have the old
  // table again and Get() gives it.
  Status Set(GuestMemory next);

  // The listener is told the table of now and each that follows, until Forget(). Error: it refuses
  // the one of now, and will not be told more.
  Status Follow(Listener& listener);
  // No effect when it does not follow.
  void Forget(Listener& listener);

 private:
  mutable std::mutex mutex_;  // guards current_
  GuestMemory current_;
  std::vector<Listener*> listeners_;
};

}  // namespace davit::memory
