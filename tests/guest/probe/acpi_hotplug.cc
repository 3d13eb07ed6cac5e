// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "acpi_hotplug.h"

#include "acpi.h"
#include "boot_info.h"
#include "console.h"
#include "io.h"
#include "smp.h"

namespace probe {
namespace {

// Of the flags of CPUs and modules alike.
constexpr uint8_t kPresent = 1, kInserted = 2, kLeaving = 4, kEject = 8;
constexpr uint8_t kNobody = 0xff;

// --- CPUs --------------------------------------------------------------------------------------

constexpr uint16_t kCpuPorts = 0xcd8;
constexpr uint16_t kCpuFlags = kCpuPorts + 4, kCpuCommand = kCpuPorts + 5, kCpuData = kCpuPorts + 8;
constexpr uint8_t kNextWithEvent = 0, kApicId = 3;

void TakeCpu(uint32_t index) {
  Out8(kCpuFlags, kInserted);
  Out8(kCpuCommand, kApicId);
  const uint32_t apic_id = In32(kCpuData);
  const bool runs = StartCpu(apic_id);
  Print("cpu: %u apic id %u %s\n", uint64_t{index}, uint64_t{apic_id},
        runs ? "runs" : "did not start");
}

void GiveCpu(uint32_t index) {
  Out8(kCpuFlags, kLeaving);
  Out8(kCpuFlags, kEject);
  Print("cpu: %u ejected\n", uint64_t{index});
}

void ServeCpus() {
  Out32(kCpuPorts, 0);
  if (In8(kCpuFlags) == kNobody) return;
  for (;;) {
    Out8(kCpuCommand, kNextWithEvent);
    const uint32_t index = In32(kCpuData);
    const uint8_t flags = In8(kCpuFlags);
    if (flags & kInserted) {
      TakeCpu(index);
    } else if (flags & kLeaving) {
      GiveCpu(index);
    } else {
      return;
    }
  }
}

// --- memory modules ----------------------------------------------------------------------------

constexpr uint16_t kDimmPorts = 0xa00;
constexpr uint16_t kDimmFlags = kDimmPorts + 0x14;
constexpr uint32_t kDimmSlots = 256;

uint64_t In64(uint16_t port) { return In32(port) | uint64_t{In32(uint16_t(port + 4))} << 32; }

// Of the slot that is chosen.
void PrintDimm(uint32_t slot) {
  const uint64_t base = In64(kDimmPorts), size = In64(kDimmPorts + 8);
  const bool ok = TestWord(base) && TestWord(base + size - 8);
  Print("dimm: slot %u at %x size %x %s\n", uint64_t{slot}, base, size, ok ? "ok" : "BAD");
}

// Calls serve(slot, flags) for each that holds a module; how many do.
template <typename Fn>
uint64_t ForEachDimm(const Fn& serve) {
  uint64_t present = 0;
  for (uint32_t slot = 0; slot < kDimmSlots; ++slot) {
    Out32(kDimmPorts, slot);
    const uint8_t flags = In8(kDimmFlags);
    if (flags == kNobody) break;  // there are no such registers
    if (!(flags & kPresent)) continue;
    ++present;
    serve(slot, flags);
  }
  return present;
}

void ServeDimms() {
  ForEachDimm([](uint32_t slot, uint8_t flags) {
    if (flags & kLeaving) {
      Out8(kDimmFlags, kLeaving);
      Out8(kDimmFlags, kEject);
      Print("dimm: slot %u ejected\n", uint64_t{slot});
    } else if (flags & kInserted) {
      Out8(kDimmFlags, kInserted);
      PrintDimm(slot);
    }
  });
}

}  // namespace

void StartAcpiHotplug() {
  if (acpi_info.gpe0 != 0) ServeAcpiHotplug(kCpuGpe | kMemoryGpe);
}

void ServeAcpiHotplug(uint8_t events) {
  if (events & kCpuGpe) ServeCpus();
  if (events & kMemoryGpe) ServeDimms();
}

void PrintDimms() {
  const uint64_t present = ForEachDimm([](uint32_t slot, uint8_t) { PrintDimm(slot); });
  Print("dimm: %u present\n", present);
}

}  // namespace probe
