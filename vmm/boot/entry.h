// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How a loaded kernel wants its first vCPU to start: what a loader returns and what vmm/machine
// turns into KVM_SET_SREGS and KVM_SET_REGS. A value; the tables it points at are already in guest
// RAM. All other registers are zero, RFLAGS is 2 (interrupts off), the IDT is empty.
#pragma once

#include <array>
#include <cstdint>

namespace davit::boot {

enum class EntryKind : uint8_t {
  kLinux64,  // long mode with identity paging, RSI = boot_params (boot.rst, "64-bit boot protocol")
  kPvh32,    // flat 32-bit protected mode, paging off, EBX = hvm_start_info (Xen's PVH ABI)
};

// The hidden part of a segment register, in KVM's terms.
struct SegmentValue {
  uint16_t selector = 0;
  uint64_t base = 0;
  uint32_t limit = 0;  // in bytes, granularity applied
  uint8_t type = 0;
  bool s = false;
  uint8_t dpl = 0;
  bool present = false;
  bool avl = false;
  bool l = false;
  bool db = false;
  bool g = false;

  // The 8-byte GDT descriptor that loads this value.
  constexpr uint64_t Descriptor() const {
    const uint64_t lim = g ? limit >> 12 : limit;
    return (lim & 0xffff) | ((base & 0xffffff) << 16) | (uint64_t{type} & 0xf) << 40 |
           uint64_t{s} << 44 | (uint64_t{dpl} & 3) << 45 | uint64_t{present} << 47 |
           ((lim >> 16) & 0xf) << 48 | uint64_t{avl} << 52 | uint64_t{l} << 53 |
           uint64_t{db} << 54 | uint64_t{g} << 55 | ((base >> 24) & 0xff) << 56;
  }
};

struct BootEntry {
  EntryKind kind = EntryKind::kLinux64;
  uint64_t rip = 0;
  uint64_t rsp = 0;
  uint64_t rsi = 0;  // kLinux64: boot_params
  uint64_t rbx = 0;  // kPvh32: hvm_start_info

  SegmentValue code;  // CS
  SegmentValue data;  // DS, ES, FS, GS, SS
  SegmentValue task;  // TR (busy TSS; KVM refuses an unusable one)
  uint64_t gdt_base = 0;
  uint16_t gdt_limit = 0;

  uint64_t cr0 = 0;
  uint64_t cr3 = 0;
  uint64_t cr4 = 0;
  uint64_t efer = 0;
};

// The segments of each entry kind; the loaders put the same descriptors into the GDT.
inline constexpr SegmentValue kBootCode64{.selector = 0x10,
                                          .limit = 0xffffffff,
                                          .type = 0xb,
                                          .s = true,
                                          .present = true,
                                          .l = true,
                                          .g = true};
inline constexpr SegmentValue kBootCode32{.selector = 0x10,
                                          .limit = 0xffffffff,
                                          .type = 0xb,
                                          .s = true,
                                          .present = true,
                                          .db = true,
                                          .g = true};
inline constexpr SegmentValue kBootData{.selector = 0x18,
                                        .limit = 0xffffffff,
                                        .type = 0x3,
                                        .s = true,
                                        .present = true,
                                        .db = true,
                                        .g = true};
inline constexpr SegmentValue kBootTask{
    .selector = 0x20, .limit = 0x67, .type = 0xb, .present = true};
static_assert(kBootCode64.Descriptor() == 0x00af9b000000ffff);
static_assert(kBootCode32.Descriptor() == 0x00cf9b000000ffff);
static_assert(kBootData.Descriptor() == 0x00cf93000000ffff);

// A start state for each kind with everything but rip, rsi and rbx filled in. The tables still have
// to be written (vmm/boot/boot_tables.h).
BootEntry MakeEntry(EntryKind kind);

}  // namespace davit::boot
