// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// PCI hot-plug by ACPI between a guest that accesses the registers in any way and a host that plugs
// cards, asks for them and resets. A slot is ejected only by a write, on the bus that is selected;
// and what the guest finds is what the host did.
#include <array>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/bus/testing/registers.h"
#include "vmm/devices/acpi_pci_hotplug.h"

namespace {

using davit::devices::AcpiPciHotplug;

constexpr uint32_t kBuses = 3;
constexpr uint64_t kLeaving = 0x04, kEject = 0x08, kSelector = 0x10;

class AcpiPciHotplugFuzz {
 public:
  AcpiPciHotplugFuzz(const uint8_t* data, size_t size) : stream_(data, size) {
    for (uint32_t bus = 0; bus < kBuses; ++bus) {
      ports_.AddBus([this, bus](uint32_t slot) { Ejected(bus, slot); });
    }
  }

  void Run() {
    while (!stream_.done()) {
      Step(stream_.Next());
      Check();
    }
  }

 private:
  void Step(uint8_t what) {
    const uint32_t bus = (what >> 3) % kBuses;
    const uint32_t slot = stream_.Next() % AcpiPciHotplug::kSlots;
    switch (what & 7) {
      case 0:
      case 1:
        writing_ = true;
        stream_.Access(ports_, AcpiPciHotplug::kPorts);
        writing_ = false;
        return;
      case 2:
        leaving_[bus] &= ~(uint32_t{1} << slot);
        return ports_.Plug(bus, slot);
      case 3:
        leaving_[bus] |= uint32_t{1} << slot;
        return ports_.RequestEject(bus, slot);
      case 4:
        leaving_ = {};
        return ports_.Reset();
      default:
        Write(kSelector, bus);
        writing_ = true;
        Write(kEject, uint32_t{1} << slot);
        writing_ = false;
    }
  }
  void Write(uint64_t offset, uint32_t value) {
    davit::bus::testing::Store(ports_, offset, 4, value);
  }
  uint32_t Read(uint64_t offset) {
    return static_cast<uint32_t>(davit::bus::testing::Load(ports_, offset, 4));
  }
  void Ejected(uint32_t bus, uint32_t slot) {
    DAVIT_CHECK(writing_ && slot < AcpiPciHotplug::kSlots);
    DAVIT_CHECK(Read(kSelector) == bus);
    leaving_[bus] &= ~(uint32_t{1} << slot);
  }
  void Check() {
    const uint32_t selected = Read(kSelector);
    for (uint32_t bus = 0; bus < kBuses; ++bus) {
      Write(kSelector, bus);
      DAVIT_CHECK(Read(kLeaving) == leaving_[bus]);
    }
    Write(kSelector, selected);
  }

  davit::fuzz::AccessStream stream_;
  bool writing_ = false;
  std::array<uint32_t, kBuses> leaving_{};
  AcpiPciHotplug ports_{[] {}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  AcpiPciHotplugFuzz(data, size).Run();
  return 0;
}
