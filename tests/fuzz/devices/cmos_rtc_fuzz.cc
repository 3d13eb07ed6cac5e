// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Random register accesses and time against the real-time clock. Checks that the line is up exactly
// while an enabled flag is set, and that the device keeps at most one timer.
#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/devices/cmos_rtc.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace davit;  // NOLINT
  fuzz::AccessStream stream(data, size);
  irq::RecordingIrqLine irq;
  io::FakeEventLoop loop;
  const auto source = [&loop] {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(loop.Now().time_since_epoch())
        .count();
  };
  devices::CmosRtc rtc(irq, loop, source, 1'700'000'000);
  while (!stream.done()) {
    const uint8_t what = stream.Next();
    if (what < 0xe0) {
      // Register numbers mostly, not only 1 in 18.
      const uint8_t index = stream.Next() & (what & 1 ? 0x0f : 0xff);
      rtc.Write(0, std::span(&index, 1));
      stream.Access(rtc, devices::CmosRtc::kPorts);
    } else if (what < 0xfe) {
      loop.Advance(std::chrono::milliseconds(stream.Next() * (what & 1 ? 1 : 20)));
    } else {
      rtc.Reset();
    }
    loop.RunPosted();
    const devices::RtcState state = rtc.state();
    DAVIT_CHECK(irq.level() == ((state.ram[11] & state.ram[12] & 0x70) != 0));
    DAVIT_CHECK(loop.timers() <= 1);
    DAVIT_CHECK(state.index < state.ram.size());
  }
  return 0;
}
