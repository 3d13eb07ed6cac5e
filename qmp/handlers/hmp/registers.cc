// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See registers.h. Bits by the names of Intel's SDM, volume 3.
#include "qmp/handlers/hmp/registers.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace davit::qmp::hmp {
namespace {

using control::CpuRegisters;
using control::SegmentRegister;

constexpr uint64_t kCr0Pe = 1;
constexpr uint64_t kEferLma = 1 << 10;
constexpr uint32_t kSegAccessed = 1 << 8;
constexpr uint32_t kSegReadWrite = 1 << 9;
constexpr uint32_t kSegConforming = 1 << 10;  // code; data: expand down
constexpr uint32_t kSegCode = 1 << 11;
constexpr uint32_t kSegNotSystem = 1 << 12;
constexpr uint32_t kSegPresent = 1 << 15;
constexpr uint32_t kSegLong = 1 << 21;
constexpr uint32_t kSegBig = 1 << 22;
constexpr uint32_t kSegShown = 0x00ffff00;

constexpr std::string_view kSystem16[] = {"Reserved",   "TSS16-avl", "LDT",       "TSS16-busy",
                                          "CallGate16", "TaskGate",  "IntGate16", "TrapGate16",
                                          "Reserved",   "TSS32-avl", "Reserved",  "TSS32-busy",
                                          "CallGate32", "Reserved",  "IntGate32", "TrapGate32"};
constexpr std::string_view kSystem64[] = {"<hiword>",   "Reserved",  "LDT",       "Reserved",
                                          "Reserved",   "Reserved",  "Reserved",  "Reserved",
                                          "Reserved",   "TSS64-avl", "Reserved",  "TSS64-busy",
                                          "CallGate64", "Reserved",  "IntGate64", "TrapGate64"};

struct Mode {
  bool protected_mode;
  bool lma;     // EFER.LMA
  bool bits64;  // 64-bit code segment
};

std::string Flags(uint64_t rflags) {
  constexpr std::pair<unsigned, char> kBits[] = {{10, 'D'}, {11, 'O'}, {7, 'S'}, {6, 'Z'},
                                                 {4, 'A'},  {2, 'P'},  {0, 'C'}};
  std::string text;
  for (const auto& [bit, letter] : kBits) text += (rflags >> bit & 1) != 0 ? letter : '-';
  return text;
}

// " DPL=0 CS64 [-RA]", empty in real mode and for segments that are not present.
std::string Describe(const SegmentRegister& segment, const Mode& mode) {
  const uint32_t flags = segment.flags;
  if (!mode.protected_mode || (flags & kSegPresent) == 0) return {};
  std::string text = fmt::format(" DPL={} ", flags >> 13 & 3);
  if ((flags & kSegNotSystem) == 0) {
    text += (mode.lma ? kSystem64 : kSystem16)[flags >> 8 & 15];
    return text;
  }
  const bool code = (flags & kSegCode) != 0;
  if (code) {
    text += (flags & kSegLong) != 0 ? "CS64" : (flags & kSegBig) != 0 ? "CS32" : "CS16";
  } else {
    text += (flags & kSegBig) != 0 || mode.lma ? "DS  " : "DS16";
  }
  const char conforming = code ? 'C' : 'E';
  const char read_write = code ? 'R' : 'W';
  text += fmt::format(" [{}{}{}]", (flags & kSegConforming) != 0 ? conforming : '-',
                      (flags & kSegReadWrite) != 0 ? read_write : '-',
                      (flags & kSegAccessed) != 0 ? 'A' : '-');
  return text;
}

void Segment(std::string& out, const char* name, const SegmentRegister& segment, const Mode& mode) {
  const int width = mode.bits64 ? 16 : 8;
  const uint64_t base = mode.bits64 ? segment.base : segment.base & UINT32_MAX;
  fmt::format_to(std::back_inserter(out), "{:<3}={:04x} {:0{}x} {:08x} {:08x}{}\n", name,
                 segment.selector, base, width, segment.limit, segment.flags & kSegShown,
                 Describe(segment, mode));
}

void General64(std::string& out, const CpuRegisters& r) {
  constexpr const char* kNames[] = {"RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "RSP",
                                    "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
  for (size_t i = 0; i < 16; ++i) {
    fmt::format_to(std::back_inserter(out), "{}={:016x}{}", kNames[i], r.gpr[i],
                   i % 4 == 3 ? '\n' : ' ');
  }
}

void General32(std::string& out, const CpuRegisters& r) {
  constexpr const char* kNames[] = {"EAX", "EBX", "ECX", "EDX", "ESI", "EDI", "EBP", "ESP"};
  for (size_t i = 0; i < 8; ++i) {
    fmt::format_to(std::back_inserter(out), "{}={:08x}{}", kNames[i], r.gpr[i] & UINT32_MAX,
                   i % 4 == 3 ? '\n' : ' ');
  }
}

}  // namespace

std::string FormatRegisters(const CpuRegisters& r) {
  Mode mode{};
  mode.protected_mode = (r.cr0 & kCr0Pe) != 0;
  mode.lma = (r.efer & kEferLma) != 0;
  mode.bits64 = mode.lma && (r.cs.flags & kSegLong) != 0;
  const unsigned cpl = mode.protected_mode ? r.ss.flags >> 13 & 3 : 0;

  std::string out = fmt::format("\nCPU#{}\n", r.index);
  auto into = std::back_inserter(out);
  if (mode.bits64) {
    General64(out, r);
    fmt::format_to(into, "RIP={:016x} RFL={:08x}", r.rip, r.rflags);
  } else {
    General32(out, r);
    fmt::format_to(into, "EIP={:08x} EFL={:08x}", r.rip & UINT32_MAX, r.rflags);
  }
  fmt::format_to(into, " [{}] CPL={} II=0 A20=1 SMM=0 HLT={}\n", Flags(r.rflags), cpl,
                 r.halted ? 1 : 0);
  const std::pair<const char*, const SegmentRegister*> segments[] = {
      {"ES", &r.es}, {"CS", &r.cs}, {"SS", &r.ss},   {"DS", &r.ds},
      {"FS", &r.fs}, {"GS", &r.gs}, {"LDT", &r.ldt}, {"TR", &r.tr}};
  for (const auto& [name, segment] : segments) Segment(out, name, *segment, mode);
  const int width = mode.lma ? 16 : 8;
  fmt::format_to(into, "GDT=     {:0{}x} {:08x}\n", r.gdt_base, width, r.gdt_limit);
  fmt::format_to(into, "IDT=     {:0{}x} {:08x}\n", r.idt_base, width, r.idt_limit);
  fmt::format_to(into, "CR0={:08x} CR2={:0{}x} CR3={:0{}x} CR4={:08x}\n", r.cr0, r.cr2, width,
                 r.cr3, width, r.cr4);
  for (int i = 0; i < 4; ++i) fmt::format_to(into, "DR{}={:016x} ", i, r.dr[i]);
  fmt::format_to(into, "\nDR6={:016x} DR7={:016x}\n", r.dr[6], r.dr[7]);
  fmt::format_to(into, "EFER={:016x}\n", r.efer);
  return out;
}

}  // namespace davit::qmp::hmp
