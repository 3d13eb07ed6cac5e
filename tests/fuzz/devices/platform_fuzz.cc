// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Random accesses to the small devices: IOAPIC (with its pins and EOIs), i8042, GED, debug port.
#include "tests/fuzz/devices/access_stream.h"
#include "vmm/backend/char/testing/fake_chardev.h"
#include "vmm/base/check.h"
#include "vmm/devices/acpi_ged.h"
#include "vmm/devices/debug_port.h"
#include "vmm/devices/i8042.h"
#include "vmm/devices/ioapic.h"
#include "vmm/irq/recording_irq_line.h"

namespace {

class CheckingSink : public davit::devices::Ioapic::Sink {
 public:
  void Deliver(unsigned pin, const davit::devices::Ioapic::Message& message) override {
    DAVIT_CHECK(pin < davit::devices::Ioapic::kPins);
    DAVIT_CHECK(!message.masked);
    DAVIT_CHECK((message.address & ~uint64_t{0xff004}) == 0xfee00000);
  }
  void EntryChanged(unsigned pin, const davit::devices::Ioapic::Message&) override {
    DAVIT_CHECK(pin < davit::devices::Ioapic::kPins);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace davit;  // NOLINT
  fuzz::AccessStream stream(data, size);
  CheckingSink sink;
  irq::RecordingIrqLine irq;
  backend::FakeChardev chardev;
  devices::Ioapic ioapic(sink);
  devices::I8042 i8042(&irq, {[] {}, [](bool) {}});
  devices::AcpiGed ged(irq, {[] {}, [] {}});
  devices::DebugPort debug;
  DAVIT_CHECK(debug.Connect(&chardev).has_value());
  while (!stream.done()) {
    const uint8_t what = stream.Next();
    switch (what & 15) {
      case 0:
      case 1:
      case 2:
      case 3: {  // an indexed IOAPIC register
        const uint8_t select = stream.Next() & 0x3f;
        ioapic.Write(0, std::span(&select, 1));
        uint8_t value[4] = {stream.Next(), stream.Next(), stream.Next(), stream.Next()};
        what & 16 ? ioapic.Read(0x10, value) : ioapic.Write(0x10, value);
        break;
      }
      case 4:
        stream.Access(ioapic, devices::Ioapic::kSize);
        break;
      case 5:
      case 6:
      case 7:
        ioapic.pin((what >> 4) + (stream.Next() & 7)).Set(stream.Next() & 1);
        break;
      case 8:
        ioapic.EndOfInterrupt(stream.Next());
        break;
      case 9:
        stream.Access(i8042.data_port(), 1);
        break;
      case 10:
        stream.Access(i8042.command_port(), 1);
        break;
      case 11:
        stream.Access(ged.event_window(), devices::AcpiGed::kEventSize);
        break;
      case 12:
        stream.Access(ged.regs_window(), devices::AcpiGed::kRegsSize);
        break;
      case 13:
        ged.Signal(stream.Next());
        break;
      case 14:
        stream.Access(debug, 1);
        break;
      default:
        if (what == 0xff) {
          ioapic.Reset();
          i8042.Reset();
          ged.Reset();
        }
        break;
    }
    for (uint64_t entry : ioapic.state().entries) {
      const bool level = entry & 0x8000, remote_irr = entry & 0x4000;
      DAVIT_CHECK(level || !remote_irr);
    }
  }
  return 0;
}
