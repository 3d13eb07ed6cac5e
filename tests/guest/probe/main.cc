// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The probe guest: reports the machine it finds, then obeys one-letter commands on the serial port
// and the power button. Its lines are an interface: tests/guest and tests/integration match them.

#include "acpi.h"
#include "acpi_hotplug.h"
#include "boot_info.h"
#include "clock.h"
#include "console.h"
#include "devices.h"
#include "fdt.h"
#include "hotplug.h"
#include "interrupts.h"
#include "io.h"
#include "pci.h"
#include "ports.h"
#include "smp.h"
#include "virtio_mem.h"

namespace probe {
namespace {

constexpr uint16_t kDebugPort = 0xe9;  // it reads as its own number
constexpr uint64_t kVirtioMmio = 0xfeb00000;
constexpr uint32_t kVirtioSlots = 24;
constexpr uint64_t kVirtioStride = 512;

bool heartbeat;
uint64_t last_beat;

void PrintVirtio() {
  uint64_t slots = 0;
  uint64_t devices = 0;
  for (uint32_t i = 0; i < kVirtioSlots; ++i) {
    const uint64_t base = kVirtioMmio + i * kVirtioStride;
    if (Mmio<uint32_t>(base) != 0x74726976) continue;
    ++slots;
    const uint32_t id = Mmio<uint32_t>(base + 8);
    if (id == 0) continue;
    ++devices;
    Print("virtio-mmio: slot %u at %x device id %u\n", uint64_t{i}, base, uint64_t{id});
  }
  Print("virtio-mmio: %u slots, %u devices\n", slots, devices);
}

void PrintTwo(const char* before, uint64_t value) {
  Print(value < 10 ? "%s0%u" : "%s%u", before, value);
}

void PrintClock() {
  Print("ticks: %u of 1/%u s, tsc %u, serial interrupts %u, event interrupts %u, nmis %u\n",
        Ticks(), kTicksPerSecond, ReadTsc(), SerialInterrupts(), EventInterrupts(), Nmis());
  DateTime now;
  if (!ReadClock(now)) {
    Print("clock: no rtc\n");
    return;
  }
  Print("clock: rtc %u", now.year);
  PrintTwo("-", now.month);
  PrintTwo("-", now.day);
  PrintTwo(" ", now.hour);
  PrintTwo(":", now.minute);
  PrintTwo(":", now.second);
  Print("\n");
}

void PrintHelp() {
  Print(
      "h help             m memory map        w write and read RAM\n"
      "c cpus             s start other cpus  a acpi\n"
      "t device tree      v virtio-mmio       i clocks and interrupts\n"
      "k heartbeat on/off b banner again      e write to port e9\n"
      "l pci devices      V virtio devices    B balloon\n"
      "d write, read and flush disks          g random numbers\n"
      "D memory modules   M memory device     P panic (pvpanic)\n"
      "o write to the virtio console (what it hears it sends back)\n"
      "p power off        r reset (i8042)     R reset (acpi)\n"
      "x triple fault     u run code that no processor can\n");
}

void PrintMachine() {
  Print("\ndavit probe guest\nboot: %s\ncommand line: %s\n", boot_info.protocol,
        boot_info.command_line);
  if (boot_info.initrd_size != 0) {
    Print("initrd: %u bytes at %x\n", boot_info.initrd_size, boot_info.initrd_start);
  }
  PrintMemoryMap();
  PrintCpus();
  PrintAcpi();
  PrintDeviceTreeSummary(boot_info.device_tree);
  PrintVirtio();
}

void PrintReady() { Print("ready, h for help\n"); }

void WriteDebugPort() {
  if (In8(kDebugPort) != kDebugPort) {
    Print("debug port: none\n");
    return;
  }
  for (const char* s = "probe: debug port\n"; *s != 0; ++s) Out8(kDebugPort, uint8_t(*s));
  Print("debug port: written\n");
}

void PowerOff(const char* why) {
  Print("power off: %s\n", why);
  AcpiPowerOff();
  Print("power off: still running\n");
}

// The commands that end or restart the machine; they print first, for the machine may be gone.
void RunEndingCommand(int command) {
  switch (command) {
    case 'p':
      PowerOff("asked for");
      break;
    case 'r':
      Print("reset: i8042\n");
      Out8(0x64, 0xfe);
      Print("reset: still running\n");
      break;
    case 'R':
      Print("reset: acpi\n");
      AcpiReset();
      Print("reset: still running\n");
      break;
    case 'x':
      Print("triple fault\n");
      TripleFault();
      break;
    case 'u':
      Print("running unbacked code\n");
      RunUnbackedCode();
      break;
    default:
      Print("unknown command, h for help\n");
  }
}

void RunDeviceCommand(int command) {
  switch (command) {
    case 'l':
      return PrintPci();
    case 'V':
      return PrintDevices();
    case 'B':
      return PrintBalloon();
    case 'd':
      return TestBlock();
    case 'D':
      return PrintDimms();
    case 'M':
      return PrintMem();
    case 'P':
      return Panic();
    case 'g':
      return TestRng();
    case 'o':
      return TestConsole();
    default:
      return RunEndingCommand(command);
  }
}

void RunCommand(int command) {
  switch (command) {
    case '\r':
    case '\n':
    case ' ':
      return;
    case 'h':
      return PrintHelp();
    case 'm':
      return PrintMemoryMap();
    case 'w':
      return TestMemory();
    case 'c':
      return PrintCpus();
    case 's':
      return StartSecondaryCpus();
    case 'a':
      return PrintAcpi();
    case 't':
      return PrintDeviceTree(boot_info.device_tree);
    case 'v':
      return PrintVirtio();
    case 'i':
      return PrintClock();
    case 'k':
      heartbeat = !heartbeat;
      return Print("heartbeat: %s\n", heartbeat ? "on" : "off");
    case 'b':
      PrintMachine();
      return PrintReady();
    case 'e':
      return WriteDebugPort();
    default:
      return RunDeviceCommand(command);
  }
}

void Beat() {
  const uint64_t second = Ticks() / kTicksPerSecond;
  if (!heartbeat || second == last_beat) return;
  last_beat = second;
  Print("heartbeat: %u\n", second);
}

}  // namespace

extern "C" [[noreturn]] void ProbeMain(uint32_t kind, uint64_t address) {
  InitConsole();
  ReadBootInfo(kind, address);
  ReadAcpi();
  PrintMachine();
  InitInterrupts();  // before "ready": an edge of the button must not get lost
  StartDevices();
  FindHotplugSlots();
  StartAcpiHotplug();
  PrintReady();
  for (;;) {
    asm volatile("cli" : : : "memory");
    const int command = NextByte();
    if (command >= 0) {
      RunCommand(command);
      continue;
    }
    if (TakePowerButton()) PowerOff("button");
    Beat();
    ServeDevices();
    ServeHotplug();
    ServeAcpiHotplug(TakeEvents());
    HaltUntilInterrupt();
  }
}

}  // namespace probe
