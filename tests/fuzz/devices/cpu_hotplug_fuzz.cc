// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// CPUs between a guest that accesses the registers in any way and a host that plugs, asks back and
// unplugs what was ejected. A CPU is ejected once, only one that is there, and never the first.
#include <array>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/bus/testing/registers.h"
#include "vmm/devices/acpi_cpu_hotplug.h"

namespace {

using davit::devices::AcpiCpuHotplug;

constexpr uint32_t kCpus = 4;
enum class State : uint8_t { kEmpty, kPlugged, kEjected };

class CpuHotplugFuzz {
 public:
  CpuHotplugFuzz(const uint8_t* data, size_t size) : stream_(data, size) {
    ports_.Plug(0, false);
    states_[0] = State::kPlugged;
  }

  void Run() {
    while (!stream_.done()) {
      Step(stream_.Next());
      for (uint32_t cpu = 0; cpu < kCpus; ++cpu) {
        DAVIT_CHECK(ports_.cpu(cpu).present == (states_[cpu] == State::kPlugged));
      }
    }
  }

 private:
  void Step(uint8_t what) {
    const uint32_t cpu = what >> 6;
    switch (what & 7) {
      case 0:
      case 1:
        return stream_.Access(ports_, AcpiCpuHotplug::kPorts);
      case 2:
        return Write(0, cpu + (what & 8 ? 0x100 : 0));
      case 3:
        return Write(4, stream_.Next());
      case 4:
        if (states_[cpu] != State::kEmpty) return;
        ports_.Plug(cpu, what & 8);
        states_[cpu] = State::kPlugged;
        return;
      case 5:
        if (states_[cpu] == State::kPlugged) (void)ports_.RequestRemoval(cpu);
        return;
      default:
        if (states_[cpu] != State::kEjected) return;
        ports_.Unplug(cpu);
        states_[cpu] = State::kEmpty;
    }
  }
  void Write(uint64_t offset, uint32_t value) {
    davit::bus::testing::Store(ports_, offset, 4, value);
  }
  void Ejected(uint32_t cpu) {
    DAVIT_CHECK(cpu != 0 && states_[cpu] == State::kPlugged);
    states_[cpu] = State::kEjected;
  }

  davit::fuzz::AccessStream stream_;
  std::array<State, kCpus> states_{};
  AcpiCpuHotplug ports_{{0, 1, 4, 200},
                        {.event = [] {},
                         .eject = [this](uint32_t cpu) { Ejected(cpu); },
                         .reported = [](uint32_t cpu, const auto&) { DAVIT_CHECK(cpu < kCpus); }}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  CpuHotplugFuzz(data, size).Run();
  return 0;
}
