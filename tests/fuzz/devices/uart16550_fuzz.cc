// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Random register accesses, input, room and time against the serial port. Checks that its FIFOs
// stay within bounds and that its interrupt line always says what IIR says.
#include "tests/fuzz/devices/access_stream.h"
#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/base/check.h"
#include "vmm/devices/uart16550.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace davit;  // NOLINT
  fuzz::AccessStream stream(data, size);
  irq::RecordingIrqLine irq;
  io::FakeEventLoop loop;
  backend::FakeChardev chardev;
  devices::Uart16550 uart(irq, loop);
  DAVIT_CHECK(uart.Connect(&chardev));
  while (!stream.done()) {
    const uint8_t what = stream.Next();
    if (what < 0xc0) {
      stream.Access(uart, devices::Uart16550::kPorts);
    } else if (what < 0xd0) {
      chardev.Feed("0123456789abcdefghij");
    } else if (what < 0xd8) {
      chardev.Send(backend::ChardevEvent::kBreak);
    } else if (what < 0xe0) {
      chardev.room = 0;
    } else if (what < 0xf0) {
      chardev.MakeRoom(what & 7);
    } else if (what < 0xfe) {
      loop.Advance(std::chrono::microseconds(stream.Next() * 100));
    } else {
      uart.Reset();
    }
    const devices::UartState state = uart.state();
    DAVIT_CHECK(state.rx_count <= state.kFifoSize && state.rx_head < state.kFifoSize);
    DAVIT_CHECK(state.tx_count <= state.kFifoSize && state.tx_head < state.kFifoSize);
    const bool level = irq.level();
    uint8_t iir = 0;
    uart.Read(2, std::span(&iir, 1));
    DAVIT_CHECK(level == !(iir & 1));
  }
  return 0;
}
