// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Plain values that cross the KVM seam (kvm.h). Nothing here depends on linux/kvm.h, so users
// and the fake compile without it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace davit::kvm {

// Capabilities that the code above the seam branches on.
enum class Cap : uint8_t {
  kIrqchip,
  kSplitIrqchip,
  kPit2,
  kNrVcpus,   // value: recommended maximum
  kMaxVcpus,  // value: hard maximum
  kMaxVcpuId,
  kTscDeadlineTimer,
  kKvmclockCtrl,
  kX2apicApi,
  kDisableExits,  // value: KVM_X86_DISABLE_EXITS_* mask
  kImmediateExit,
  kReadonlyMem,
  kNrMemslots,  // value: how many SetMemorySlot() takes
  kTscControl,
  kCoalescedMmio,  // value: the page of a vCPU's mapping that has the ring
  kCoalescedPio,
};

struct CpuidEntry {
  uint32_t function = 0;
  uint32_t index = 0;
  bool significant_index = false;  // the leaf has subleaves
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  friend bool operator==(const CpuidEntry&, const CpuidEntry&) = default;
};

struct Msr {
  uint32_t index = 0;
  uint64_t value = 0;
};

struct Registers {
  uint64_t rax = 0, rbx = 0, rcx = 0, rdx = 0, rsi = 0, rdi = 0, rsp = 0, rbp = 0;
  uint64_t r8 = 0, r9 = 0, r10 = 0, r11 = 0, r12 = 0, r13 = 0, r14 = 0, r15 = 0;
  uint64_t rip = 0, rflags = 2;
};

struct Segment {
  uint64_t base = 0;
  uint32_t limit = 0;  // bytes - 1
  uint16_t selector = 0;
  uint8_t type = 0, present = 0, dpl = 0, db = 0, s = 0, l = 0, g = 0, avl = 0;
  uint8_t unusable = 0;
};

struct SpecialRegisters {
  Segment cs, ds, es, fs, gs, ss, tr, ldt;
  uint64_t gdt_base = 0, idt_base = 0;
  uint16_t gdt_limit = 0, idt_limit = 0;
  uint64_t cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0, cr8 = 0, efer = 0, apic_base = 0;
};

// KVM_MP_STATE_*
enum class MpState : uint32_t {
  kRunnable = 0,
  kUninitialized = 1,
  kInitReceived = 2,
  kHalted = 3,
  kSipiReceived = 4
};

// Everything that a reset must put back, as the kernel's structs. Parts which the host cannot save
// are empty and are left alone by a restore.
struct VcpuState {
  using Blob = std::vector<uint8_t>;
  Blob regs, sregs, xsave, xcrs, debugregs, lapic, events, mp_state, nested;
  std::vector<Msr> msrs;
};

// In-kernel PIC pair, IOAPIC and PIT.
struct IrqchipState {
  std::vector<std::vector<uint8_t>> chips;
  std::vector<uint8_t> pit;
};

// A message-signalled interrupt: what an IOAPIC entry or an MSI vector comes to.
struct Msi {
  uint64_t address = 0;
  uint32_t data = 0;
};
// One interrupt route of the GSI table.
struct GsiRoute {
  uint32_t gsi = 0;
  std::variant<Msi, uint32_t /*IOAPIC pin, in-kernel*/> target;
  uint32_t chip = 2;  // in-kernel target: 0 PIC master, 1 PIC slave, 2 IOAPIC
};

// --- writes that KVM collects in a ring ------------------------------------------

// Registers whose writes need no answer; a write that lies inside as a whole is collected.
struct WriteZone {
  bool pio = false;
  uint64_t address = 0;
  uint32_t size = 0;
  friend bool operator==(const WriteZone&, const WriteZone&) = default;
};
struct CollectedWrite {
  bool pio = false;
  uint64_t address = 0;
  std::span<const uint8_t> data;  // 1 to 8 bytes; valid during the call
};

// --- why KVM_RUN returned -------------------------------------------------------

// The data lies in the vCPU's run page; a read is answered by filling it before the next Run().
struct IoExit {
  uint16_t port = 0;
  bool write = false;
  uint8_t size = 1;         // bytes of one access: 1, 2, 4
  std::span<uint8_t> data;  // size * count (string instructions)
};
struct MmioExit {
  uint64_t address = 0;
  bool write = false;
  std::span<uint8_t> data;
};
struct EoiExit {  // split irqchip: an IOAPIC vector was acknowledged
  uint8_t vector = 0;
};
struct HaltExit {};
struct ShutdownExit {};     // triple fault
struct InterruptedExit {};  // a kick or a signal
struct IrqWindowExit {};
struct InternalErrorExit {
  uint32_t suberror = 0;
  uint64_t rip = 0;
  std::vector<uint8_t> bytes;  // of the instruction, when KVM tells
  std::string description;     // one line for the log
};
struct SystemEventExit {
  enum class Type : uint8_t { kShutdown, kReset, kCrash, kOther };
  Type type = Type::kOther;
};

using Exit = std::variant<InterruptedExit, IoExit, MmioExit, EoiExit, HaltExit, ShutdownExit,
                          IrqWindowExit, InternalErrorExit, SystemEventExit>;

}  // namespace davit::kvm
