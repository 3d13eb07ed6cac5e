// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Random accesses to the q35's chipset: configuration space of MCH and LPC bridge, which move
// windows over one another, the PM block, root complex registers and small ports. Interrupt lines
// are low when nothing asserts them.
#include <array>

#include "tests/fuzz/devices/access_stream.h"
#include "vmm/base/check.h"
#include "vmm/base/endian.h"
#include "vmm/devices/ich9_pm.h"
#include "vmm/devices/ich9_ports.h"
#include "vmm/io/testing/fake_event_loop.h"
#include "vmm/irq/recording_irq_line.h"
#include "vmm/irq/recording_msi.h"
#include "vmm/pci/q35/ich9_lpc.h"
#include "vmm/pci/q35/mch.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace davit;  // NOLINT
  fuzz::AccessStream stream(data, size);
  io::FakeEventLoop loop;
  bus::Bus ports("I/O port"), mmio("MMIO");
  irq::RecordingMsi msi;
  std::array<irq::RecordingIrqLine, pci::PirqRouter::kGsis> recorded;
  pci::PirqRouter::Lines lines{};
  for (size_t i = 0; i < lines.size(); ++i) lines[i] = &recorded[i];
  pci::PirqRouter router(lines);
  devices::Ich9Pm pm(router.sci(), loop, {[] {}});
  devices::ResetControl reset_control([] {});
  devices::Port92 port92([] {});
  devices::ApmPorts apm([&pm](bool on) { pm.EnableAcpi(on); });
  devices::ElcrPorts elcr;
  pci::HostBridge host({.ports = ports, .mmio = mmio, .msi = msi, .intx = router, .reserved = {}},
                       "pcie.0");
  DAVIT_CHECK(host.ClaimPorts().has_value());
  host.SetResetPort(&reset_control);
  pci::Mch mch;
  pci::Ich9Lpc lpc({ports, mmio, pm, router});
  lpc.SetSerialPorts(true, false);
  DAVIT_CHECK(host.root().Attach(mch, pci::Devfn(0, 0)).has_value());
  DAVIT_CHECK(host.root().Attach(lpc, pci::Devfn(31, 0)).has_value());
  std::array<bool, 4> pins{};
  constexpr std::array<uint32_t, 8> kRegisters = {0x40, 0x44, 0x60, 0x68, 0xf0, 0x9c, 0x50, 0xa0};
  while (!stream.done()) {
    const uint8_t what = stream.Next();
    switch (what & 7) {
      case 0:
      case 1: {  // the registers that do something
        std::array<uint8_t, 4> value = {stream.Next(), stream.Next(), stream.Next(), stream.Next()};
        const uint8_t devfn = what & 8 ? pci::Devfn(31, 0) : pci::Devfn(0, 0);
        host.Write(0, devfn, kRegisters[what >> 4 & 7] + (what & 8 ? 0 : value[0] & 3),
                   std::span(value).first(what & 0x80 ? 4u - (what & 8 ? 0 : value[0] & 3) : 1u));
        break;
      }
      case 2:
        stream.Access(pm, devices::Ich9Pm::kPorts);
        break;
      case 3: {  // where the windows may be now
        constexpr std::array<uint64_t, 4> kBases = {0xfed1f100, 0xb0000000, 0xfed1f400, 0xb00f8000};
        std::array<uint8_t, 4> value = {stream.Next(), stream.Next(), stream.Next(), stream.Next()};
        const uint64_t address = kBases[what >> 3 & 3] + (stream.Next() & 0xfc);
        what & 0x80 ? (void)mmio.Write(address, value) : (void)mmio.Read(address, value);
        break;
      }
      case 4: {
        const size_t pin = what >> 3 & 3;
        pins[pin] = !pins[pin];
        router.SetIntx(static_cast<uint8_t>(29 + pin % 3), static_cast<uint8_t>(pin), pins[pin]);
        break;
      }
      case 5:
        loop.Advance(std::chrono::milliseconds(stream.Next()));
        if (what & 8) pm.PressPowerButton();
        if (what & 16) pm.RaiseGpe(stream.Next() & 63);
        pm.Run(what & 32);
        break;
      case 6:
        stream.Access(what & 8 ? static_cast<bus::BusDevice&>(apm) : elcr, 1);
        stream.Access(what & 16 ? static_cast<bus::BusDevice&>(port92) : reset_control, 0);
        break;
      default:
        if (what == 0xff) {
          host.Reset();
          pm.Reset();
        }
        break;
    }
  }
  for (size_t pin = 0; pin < pins.size(); ++pin) {
    if (pins[pin]) {
      router.SetIntx(static_cast<uint8_t>(29 + pin % 3), static_cast<uint8_t>(pin), false);
    }
  }
  pm.Reset();
  for (const irq::RecordingIrqLine& line : recorded) DAVIT_CHECK(!line.level());
  host.root().Detach(lpc);
  host.root().Detach(mch);
  return 0;
}
