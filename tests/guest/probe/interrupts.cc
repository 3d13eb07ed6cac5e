// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "interrupts.h"

#include "acpi.h"
#include "acpi_hotplug.h"
#include "console.h"
#include "io.h"
#include "layout.h"

extern "C" uint8_t isr_stubs[];

namespace probe {
namespace {

constexpr uint8_t kNmiVector = 2;
constexpr uint8_t kSerialVector = 0x30;
constexpr uint8_t kEventVector = 0x31;
constexpr uint8_t kTimerVector = 0x32;
constexpr uint8_t kSpuriousVector = 0x3f;

constexpr uint32_t kLapicEoi = 0x0b0;
constexpr uint32_t kLapicSpurious = 0x0f0;
constexpr uint32_t kLapicIcrLow = 0x300;
constexpr uint32_t kLapicIcrHigh = 0x310;
constexpr uint32_t kLapicTimer = 0x320;
constexpr uint32_t kLapicLint1 = 0x360;
constexpr uint32_t kLapicTimerInitial = 0x380;
constexpr uint32_t kLapicTimerDivide = 0x3e0;

constexpr uint64_t kUnbackedCode = 0xfea80000;

struct [[gnu::packed]] Gate {
  uint16_t offset_low;
  uint16_t selector;
  uint16_t type;
  uint16_t offset_middle;
  uint32_t offset_high;
  uint32_t reserved;
};
static_assert(sizeof(Gate) == 16);

struct [[gnu::packed]] TablePointer {
  uint16_t limit;
  uint64_t base;
};

Gate idt[VECTORS];
volatile uint64_t ticks;
volatile uint64_t event_interrupts;
volatile uint64_t nmis;
volatile bool power_button;
volatile uint8_t events;

volatile uint32_t& Lapic(uint32_t offset) { return Mmio<uint32_t>(acpi_info.lapic + offset); }

void LoadIdt(uint64_t base, uint16_t limit) {
  const TablePointer pointer{limit, base};
  asm volatile("lidt %0" : : "m"(pointer));
}

void WriteIoapic(uint32_t index, uint32_t value) {
  Mmio<uint32_t>(acpi_info.ioapic) = index;
  Mmio<uint32_t>(acpi_info.ioapic + 0x10) = value;
}

void Route(uint32_t gsi, bool level, bool active_low, uint8_t vector) {
  const uint32_t pin = gsi - acpi_info.ioapic_gsi_base;
  WriteIoapic(0x11 + pin * 2, (Cpuid(1).ebx >> 24) << 24);
  WriteIoapic(0x10 + pin * 2, vector | (active_low ? 1u << 13 : 0) | (level ? 1u << 15 : 0));
}

void RouteIsa(uint32_t irq, uint8_t vector) {
  const auto& source = acpi_info.isa[irq];
  Route(source.gsi, source.level, source.active_low, vector);
}

// The PM1 and GPE status of full hardware; or the selector register of the generic event device:
// reading clears it, bit 1 is the button.
void ReadEvents() {
  if (acpi_info.pm1_event != 0) {
    if (TakePm1Button()) power_button = true;
    events = uint8_t(events | TakeGpes());
    return;
  }
  if ((Mmio<uint32_t>(acpi_info.ged_registers) & 0x2) != 0) power_button = true;
}

void HandleEvent() {
  event_interrupts = event_interrupts + 1;
  ReadEvents();
}

void SendIpi(uint32_t apic_id, uint32_t command) {
  Lapic(kLapicIcrHigh) = apic_id << 24;
  Lapic(kLapicIcrLow) = command;
  while ((Lapic(kLapicIcrLow) & (1u << 12)) != 0) {
  }
}

}  // namespace

struct InterruptFrame {
  uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

extern "C" void HandleInterrupt(InterruptFrame* frame) {
  switch (frame->vector) {
    case kNmiVector:
      nmis = nmis + 1;
      return;
    case kTimerVector:
      ticks = ticks + 1;
      break;
    case kSerialVector:
      ReceiveSerial();
      break;
    case kEventVector:
      HandleEvent();
      break;
    case kWakeVector:
      break;
    case kSpuriousVector:
      return;
    default: {
      uint64_t cr2;
      asm volatile("mov %%cr2, %0" : "=r"(cr2));
      Print("\nexception %u error %x rip %X cr2 %X, halted\n", frame->vector, frame->error,
            frame->rip, cr2);
      for (;;) asm volatile("cli; hlt");
    }
  }
  Lapic(kLapicEoi) = 0;
}

void InitInterrupts() {
  for (uint32_t i = 0; i < VECTORS; ++i) {
    const uint64_t stub = reinterpret_cast<uint64_t>(isr_stubs) + i * 16;
    idt[i] = {uint16_t(stub), 0x10, 0x8e00, uint16_t(stub >> 16), uint32_t(stub >> 32), 0};
  }
  LoadIdt(reinterpret_cast<uint64_t>(idt), sizeof idt - 1);
  Out8(0x21, 0xff);  // mask the 8259 pair, if there is one
  Out8(0xa1, 0xff);
  Lapic(kLapicSpurious) = 0x100 | kSpuriousVector;
  Lapic(kLapicLint1) = 0x400;      // NMI
  Lapic(kLapicTimerDivide) = 0x3;  // by 16
  Lapic(kLapicTimer) = 0x20000 | kTimerVector;
  Lapic(kLapicTimerInitial) = 1000000000 / 16 / kTicksPerSecond;
  RouteIsa(kSerialIrq, kSerialVector);
  if (acpi_info.pm1_event != 0) {
    RouteIsa(acpi_info.sci, kEventVector);
    EnablePm1Button();
    EnableGpes(kCpuGpe | kMemoryGpe);
  } else if (acpi_info.ged_gsi < 16) {
    RouteIsa(acpi_info.ged_gsi, kEventVector);
  } else {
    Route(acpi_info.ged_gsi, false, false, kEventVector);
  }
  EnableSerialInterrupt();
  // A button pressed since the reset left its bit, but its edge met a masked pin. Counted as no
  // interrupt.
  ReadEvents();
}

uint32_t MessageAddress() { return 0xfee00000 | (Cpuid(1).ebx >> 24) << 12; }

uint64_t Ticks() { return ticks; }
uint64_t EventInterrupts() { return event_interrupts; }
uint64_t Nmis() { return nmis; }

bool TakePowerButton() {
  const bool pressed = power_button;
  power_button = false;
  return pressed;
}

// Interrupts are off but for HaltUntilInterrupt() and its like.
uint8_t TakeEvents() {
  const uint8_t taken = events;
  events = 0;
  return taken;
}

void SendInit(uint32_t apic_id) { SendIpi(apic_id, 0x4500); }
void SendStartup(uint32_t apic_id, uint8_t page) { SendIpi(apic_id, 0x4600u | page); }

void TripleFault() {
  LoadIdt(0, 0);
  asm volatile("ud2");
  __builtin_unreachable();
}

void RunUnbackedCode() { asm volatile("call *%0" : : "r"(kUnbackedCode) : "memory"); }

}  // namespace probe
