// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A vhost descriptor for unit tests: remembers what it was told, fails where the test says so.
// It touches no ring; the test plays the kernel with the eventfds and addresses that are here.
// The state outlives the kernel, which goes with its device. One thread, the test's.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/virtio/vhost/kernel.h"

namespace davit::virtio::vhost {

struct FakeState {
  // Set by the test.
  uint64_t features = 0;
  std::string fails;                   // the call that fails with "CALL failed: no"
  std::string fails_once;              // the same, the next time alone
  std::map<uint32_t, uint16_t> bases;  // by ring: what StopRing() tells
  // What the kernel has been told.
  bool owned = false;
  uint64_t features_set = 0;
  std::vector<MemoryRange> memory;
  std::map<uint32_t, RingSetup> rings;  // those that are set up
  uint64_t cid = 0;
  bool running = false;
  std::map<uint32_t, int> net_backends;  // by ring: those that are on
};

class FakeKernel final : public Kernel {
 public:
  explicit FakeKernel(FakeState& state) : state_(state) {}

  Status SetOwner() override {
    DAVIT_TRY(MayFail("SetOwner"));
    state_.owned = true;
    return {};
  }
  Result<uint64_t> Features() override {
    DAVIT_TRY(MayFail("Features"));
    return state_.features;
  }
  Status SetFeatures(uint64_t features) override {
    DAVIT_TRY(MayFail("SetFeatures"));
    if ((features & ~state_.features) != 0) return Fail("SetFeatures failed: not offered");
    state_.features_set = features;
    return {};
  }
  Status SetMemory(std::span<const MemoryRange> ranges) override {
    DAVIT_TRY(MayFail("SetMemory"));
    state_.memory.assign(ranges.begin(), ranges.end());
    return {};
  }
  Status SetRing(uint32_t ring, const RingSetup& setup) override {
    if (On(ring)) return Fail("SetRing failed: the back end is on");
    DAVIT_TRY(MayFail("SetRing" + std::to_string(ring)));
    state_.rings[ring] = setup;
    return {};
  }
  Result<uint16_t> StopRing(uint32_t ring) override {
    if (On(ring)) return Fail("StopRing failed: the back end is on");
    state_.rings.erase(ring);
    DAVIT_TRY(MayFail("StopRing"));
    return state_.bases[ring];
  }
  Status SetGuestCid(uint64_t cid) override {
    DAVIT_TRY(MayFail("SetGuestCid"));
    state_.cid = cid;
    return {};
  }
  Status SetVsockRunning(bool running) override {
    DAVIT_TRY(MayFail("SetVsockRunning"));
    state_.running = running;
    return {};
  }
  Status SetNetBackend(uint32_t ring, int fd) override {
    if (fd < 0) {
      state_.net_backends.erase(ring);
      return {};
    }
    DAVIT_TRY(MayFail("SetNetBackend" + std::to_string(ring)));
    if (!state_.rings.contains(ring)) return Fail("SetNetBackend failed: the ring is not set up");
    state_.net_backends[ring] = fd;
    return {};
  }

 private:
  bool On(uint32_t ring) const { return state_.running || state_.net_backends.contains(ring); }
  Status MayFail(const std::string& call) const {
    const bool once = state_.fails_once == call;
    if (once) state_.fails_once.clear();
    if (once || state_.fails == call) return Fail(call + " failed: no");
    return {};
  }

  FakeState& state_;
};

}  // namespace davit::virtio::vhost
