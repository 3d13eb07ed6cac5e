// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The serial console of the probe guest: a 16550A at 0x3f8, transmit by polling, receive by
// interrupt into a ring. Every line ends in CR LF.

#pragma once

#include <cstdint>

namespace probe {

constexpr uint16_t kSerialPort = 0x3f8;
constexpr uint8_t kSerialIrq = 4;

// Programs 115200 8n1 with FIFOs; false when nothing answers at the port.
bool InitConsole();
void EnableSerialInterrupt();

// Called by the interrupt handler: moves what arrived into the ring.
void ReceiveSerial();
uint64_t SerialInterrupts();

// The next byte received, or -1. Call with interrupts off.
int NextByte();

void Put(char c);
// %s string, %u unsigned (64-bit), %x hexadecimal (64-bit), %X sixteen digits, %c character, %%.
// Every number must be passed as uint64_t.
void Print(const char* format, ...);

}  // namespace probe
