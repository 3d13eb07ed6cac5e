// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "smp.h"

#include "acpi.h"
#include "console.h"
#include "interrupts.h"
#include "io.h"
#include "layout.h"

extern "C" char trampoline_start[];
extern "C" char trampoline_end[];

namespace probe {
namespace {

volatile uint32_t arrived;
volatile uint32_t arrived_apic_id;
uint8_t saved_page[512];

// Up to 45 seconds, for the host may be busy; call with interrupts off.
bool WaitForArrival(uint32_t before) {
  const uint64_t start = Ticks();
  while (arrived == before && Ticks() - start < 45 * kTicksPerSecond) LetInterruptsIn();
  return arrived != before;
}

}  // namespace

extern "C" void ApMain() {
  arrived_apic_id = Cpuid(1).ebx >> 24;
  arrived = arrived + 1;
}

bool StartCpu(uint32_t apic_id) {
  // What the loader left in this page (the zero page, perhaps) must survive.
  uint8_t* page = reinterpret_cast<uint8_t*>(uint64_t{TRAMPOLINE});
  const uint64_t size = uint64_t(trampoline_end - trampoline_start);
  __builtin_memcpy(saved_page, page, size);
  __builtin_memcpy(page, trampoline_start, size);
  const uint32_t before = arrived;
  SendInit(apic_id);  // KVM keeps INIT before SIPI, so there is no delay between them
  SendStartup(apic_id, TRAMPOLINE >> 12);
  const bool started = WaitForArrival(before);
  __builtin_memcpy(page, saved_page, size);
  return started;
}

void StartSecondaryCpus() {
  const uint32_t self = Cpuid(1).ebx >> 24;
  uint64_t started = 0;
  for (uint32_t i = 0; i < acpi_info.cpus; ++i) {
    const uint32_t id = acpi_info.apic_id[i];
    if (id == self || id > 254) continue;
    if (StartCpu(id)) {
      ++started;
      Print("smp: apic id %u runs\n", uint64_t{arrived_apic_id});
    } else {
      Print("smp: apic id %u did not start\n", uint64_t{id});
    }
  }
  Print("smp: %u cpus online\n", started + 1);
}

}  // namespace probe
