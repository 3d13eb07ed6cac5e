// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// DIMM slots between a guest that accesses the registers in any way and a host that plugs, asks
// back, unplugs what was ejected, and resets. A DIMM is ejected once, and only one that is there.
#include <array>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/log.h"
#include "vmm/bus/testing/registers.h"
#include "vmm/devices/memory_hotplug.h"

namespace {

using davit::devices::MemoryHotplug;

constexpr uint32_t kSlots = 4;
enum class State : uint8_t { kEmpty, kPlugged, kEjected };

class MemoryHotplugFuzz {
 public:
  MemoryHotplugFuzz(const uint8_t* data, size_t size) : stream_(data, size) {}

  void Run() {
    while (!stream_.done()) {
      Step(stream_.Next());
      Check();
    }
  }

 private:
  void Step(uint8_t what) {
    const uint32_t slot = what >> 6;
    switch (what & 7) {
      case 0:
      case 1:
        return stream_.Access(ports_, MemoryHotplug::kPorts);
      case 2:
        return Write(0, slot + (what & 8 ? 0x100 : 0));
      case 3:
        return Write(0x14, stream_.Next());
      case 4:
        if (states_[slot] != State::kEmpty) return;
        ports_.Plug(slot, {"d", slot, 1, 0, [this, slot] { Ejected(slot); }}, what & 8);
        states_[slot] = State::kPlugged;
        return;
      case 5:
        return ports_.RequestEject(slot);
      case 6:
        if (states_[slot] != State::kEjected) return;
        ports_.Unplug(slot);
        states_[slot] = State::kEmpty;
        return;
      default:
        if (what & 8) ports_.Reset();
    }
  }
  void Write(uint64_t offset, uint32_t value) {
    davit::bus::testing::Store(ports_, offset, 4, value);
  }
  void Ejected(uint32_t slot) {
    DAVIT_CHECK(states_[slot] == State::kPlugged);
    states_[slot] = State::kEjected;
  }
  void Check() {
    const std::vector<bool> taken = ports_.taken();
    for (uint32_t slot = 0; slot < kSlots; ++slot) {
      DAVIT_CHECK(taken[slot] == (states_[slot] != State::kEmpty));
      // What the guest finds.
      Write(0, slot);
      std::array<uint8_t, 4> flags{};
      ports_.Read(0x14, flags);
      DAVIT_CHECK((flags[0] & 1) == (states_[slot] == State::kPlugged));
    }
    Write(0, stream_.Next() % (kSlots + 1));
  }

  davit::fuzz::AccessStream stream_;
  std::array<State, kSlots> states_{};
  MemoryHotplug ports_{kSlots, {.raise = [] {}, .report = [](const MemoryHotplug::Report&) {}}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spdlog::set_level(spdlog::level::off);
  MemoryHotplugFuzz(data, size).Run();
  return 0;
}
