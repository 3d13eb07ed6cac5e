// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "console.h"

#include <cstdarg>

#include "io.h"

namespace probe {
namespace {

constexpr uint32_t kRingSize = 256;
volatile uint8_t ring[kRingSize];
volatile uint32_t ring_head;
volatile uint32_t ring_tail;
volatile uint64_t interrupts;

void PutNumber(uint64_t value, uint32_t base, int width) {
  char digits[20];
  int n = 0;
  do {
    digits[n++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (n < width) digits[n++] = '0';
  while (n > 0) Put(digits[--n]);
}

}  // namespace

bool InitConsole() {
  Out8(kSerialPort + 7, 0x5a);
  const bool present = In8(kSerialPort + 7) == 0x5a;
  Out8(kSerialPort + 1, 0);
  Out8(kSerialPort + 3, 0x80);
  Out8(kSerialPort + 0, 1);
  Out8(kSerialPort + 1, 0);
  Out8(kSerialPort + 3, 0x03);
  Out8(kSerialPort + 2, 0x07);
  Out8(kSerialPort + 4, 0x0b);
  return present;
}

void EnableSerialInterrupt() { Out8(kSerialPort + 1, 0x01); }

void ReceiveSerial() {
  interrupts = interrupts + 1;
  while ((In8(kSerialPort + 5) & 0x01) != 0) {
    const uint8_t byte = In8(kSerialPort);
    if (ring_head - ring_tail < kRingSize) {
      ring[ring_head % kRingSize] = byte;
      ring_head = ring_head + 1;
    }
  }
}

uint64_t SerialInterrupts() { return interrupts; }

int NextByte() {
  if (ring_head == ring_tail) return -1;
  const int byte = ring[ring_tail % kRingSize];
  ring_tail = ring_tail + 1;
  return byte;
}

void Put(char c) {
  if (c == '\n') Put('\r');
  // Bounded, so that a missing port does not hang the guest.
  for (int i = 0; i < 100000 && (In8(kSerialPort + 5) & 0x20) == 0; ++i) {
  }
  Out8(kSerialPort, uint8_t(c));
}

void Print(const char* format, ...) {
  va_list args;
  va_start(args, format);
  for (const char* p = format; *p != 0; ++p) {
    if (*p != '%') {
      Put(*p);
      continue;
    }
    switch (*++p) {
      case 's':
        for (const char* s = va_arg(args, const char*); *s != 0; ++s) Put(*s);
        break;
      case 'u':
        PutNumber(va_arg(args, uint64_t), 10, 1);
        break;
      case 'x':
        PutNumber(va_arg(args, uint64_t), 16, 1);
        break;
      case 'X':
        PutNumber(va_arg(args, uint64_t), 16, 16);
        break;
      case 'c':
        Put(char(va_arg(args, int)));
        break;
      default:
        Put(*p);
    }
  }
  va_end(args);
}

}  // namespace probe
