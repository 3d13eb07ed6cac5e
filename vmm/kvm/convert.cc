// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See convert.h.
#include "vmm/kvm/convert.h"

namespace davit::kvm {
namespace {

Segment FromKernel(const kvm_segment& s) {
  return {s.base, s.limit, s.selector, s.type, s.present, s.dpl,
          s.db,   s.s,     s.l,        s.g,    s.avl,     s.unusable};
}

kvm_segment ToKernel(const Segment& s) {
  return {.base = s.base,
          .limit = s.limit,
          .selector = s.selector,
          .type = s.type,
          .present = s.present,
          .dpl = s.dpl,
          .db = s.db,
          .s = s.s,
          .l = s.l,
          .g = s.g,
          .avl = s.avl,
          .unusable = s.unusable,
          .padding = 0};
}

}  // namespace

Registers FromKernel(const kvm_regs& r) {
  return {r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rsp, r.rbp, r.r8,
          r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip, r.rflags};
}

kvm_regs ToKernel(const Registers& r) {
  return {.rax = r.rax,
          .rbx = r.rbx,
          .rcx = r.rcx,
          .rdx = r.rdx,
          .rsi = r.rsi,
          .rdi = r.rdi,
          .rsp = r.rsp,
          .rbp = r.rbp,
          .r8 = r.r8,
          .r9 = r.r9,
          .r10 = r.r10,
          .r11 = r.r11,
          .r12 = r.r12,
          .r13 = r.r13,
          .r14 = r.r14,
          .r15 = r.r15,
          .rip = r.rip,
          .rflags = r.rflags};
}

SpecialRegisters FromKernel(const kvm_sregs& s) {
  SpecialRegisters out;
  out.cs = FromKernel(s.cs);
  out.ds = FromKernel(s.ds);
  out.es = FromKernel(s.es);
  out.fs = FromKernel(s.fs);
  out.gs = FromKernel(s.gs);
  out.ss = FromKernel(s.ss);
  out.tr = FromKernel(s.tr);
  out.ldt = FromKernel(s.ldt);
  out.gdt_base = s.gdt.base;
  out.gdt_limit = s.gdt.limit;
  out.idt_base = s.idt.base;
  out.idt_limit = s.idt.limit;
  out.cr0 = s.cr0;
  out.cr2 = s.cr2;
  out.cr3 = s.cr3;
  out.cr4 = s.cr4;
  out.cr8 = s.cr8;
  out.efer = s.efer;
  out.apic_base = s.apic_base;
  return out;
}

kvm_sregs ToKernel(const SpecialRegisters& r) {
  kvm_sregs s{};
  s.cs = ToKernel(r.cs);
  s.ds = ToKernel(r.ds);
  s.es = ToKernel(r.es);
  s.fs = ToKernel(r.fs);
  s.gs = ToKernel(r.gs);
  s.ss = ToKernel(r.ss);
  s.tr = ToKernel(r.tr);
  s.ldt = ToKernel(r.ldt);
  s.gdt.base = r.gdt_base;
  s.gdt.limit = r.gdt_limit;
  s.idt.base = r.idt_base;
  s.idt.limit = r.idt_limit;
  s.cr0 = r.cr0;
  s.cr2 = r.cr2;
  s.cr3 = r.cr3;
  s.cr4 = r.cr4;
  s.cr8 = r.cr8;
  s.efer = r.efer;
  s.apic_base = r.apic_base;
  return s;
}

}  // namespace davit::kvm
