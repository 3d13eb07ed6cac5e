// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// IDT, local APIC (xAPIC mode), I/O APIC and the tick. Handlers only count and set flags; the main
// loop does the work.

#pragma once

#include <cstdint>

namespace probe {

// Ticks a second. The local APIC's bus clock is 1 GHz under KVM and QEMU alike.
constexpr uint64_t kTicksPerSecond = 10;

// Of messages of PCI functions: it wakes, and counts nothing.
constexpr uint8_t kWakeVector = 0x33;
// Where this processor takes messages.
uint32_t MessageAddress();

void InitInterrupts();

uint64_t Ticks();
uint64_t EventInterrupts();
uint64_t Nmis();

// True once after the power button was pressed.
bool TakePowerButton();
// The general-purpose events since the last call, as a mask.
uint8_t TakeEvents();

void SendInit(uint32_t apic_id);
void SendStartup(uint32_t apic_id, uint8_t page);

// Halts with interrupts on until an interrupt came. Call with interrupts off; returns so.
inline void HaltUntilInterrupt() { asm volatile("sti; hlt; cli" : : : "memory"); }

// Takes what is pending and goes on.
inline void LetInterruptsIn() { asm volatile("sti; pause; cli" : : : "memory"); }

[[noreturn]] void TripleFault();

// Makes the processor fetch code where only MMIO can be: KVM cannot emulate that on any host.
void RunUnbackedCode();

}  // namespace probe
