// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See cpu_registers.h.
#include "vmm/machine/cpu_registers.h"

namespace davit::machine {
namespace {

kvm::Segment ToKvm(const boot::SegmentValue& value) {
  kvm::Segment segment;
  segment.base = value.base;
  segment.limit = value.limit;
  segment.selector = value.selector;
  segment.type = value.type;
  segment.present = value.present;
  segment.dpl = value.dpl;
  segment.db = value.db;
  segment.s = value.s;
  segment.l = value.l;
  segment.g = value.g;
  segment.avl = value.avl;
  segment.unusable = !value.present;
  return segment;
}

control::SegmentRegister ToControl(const kvm::Segment& s) {
  const uint32_t flags = (uint32_t{s.type} & 15) << 8 | (s.s & 1U) << 12 | (s.dpl & 3U) << 13 |
                         (s.present & 1U) << 15 | (s.avl & 1U) << 20 | (s.l & 1U) << 21 |
                         (s.db & 1U) << 22 | (s.g & 1U) << 23;
  return {s.selector, s.base, s.limit, flags};
}

}  // namespace

Status ApplyBootEntry(kvm::Vcpu& vcpu, const boot::BootEntry& entry) {
  DAVIT_ASSIGN(kvm::SpecialRegisters special, vcpu.GetSpecialRegisters());
  special.cs = ToKvm(entry.code);
  for (kvm::Segment* data : {&special.ds, &special.es, &special.fs, &special.gs, &special.ss}) {
    *data = ToKvm(entry.data);
  }
  special.tr = ToKvm(entry.task);
  special.ldt = {};
  special.ldt.unusable = 1;
  special.gdt_base = entry.gdt_base;
  special.gdt_limit = entry.gdt_limit;
  special.idt_base = 0;
  special.idt_limit = 0;
  special.cr0 = entry.cr0;
  special.cr3 = entry.cr3;
  special.cr4 = entry.cr4;
  special.efer = entry.efer;
  DAVIT_TRY(vcpu.SetSpecialRegisters(special));
  kvm::Registers registers;
  registers.rip = entry.rip;
  registers.rsp = entry.rsp;
  registers.rsi = entry.rsi;
  registers.rbx = entry.rbx;
  return vcpu.SetRegisters(registers);
}

Result<control::CpuRegisters> ReadRegisters(kvm::Vcpu& vcpu) {
  DAVIT_ASSIGN(const kvm::Registers r, vcpu.GetRegisters());
  DAVIT_ASSIGN(const kvm::SpecialRegisters s, vcpu.GetSpecialRegisters());
  control::CpuRegisters out;
  const uint64_t gpr[16] = {r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp,
                            r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
  for (int i = 0; i < 16; ++i) out.gpr[i] = gpr[i];
  out.rip = r.rip;
  out.rflags = r.rflags;
  out.es = ToControl(s.es);
  out.cs = ToControl(s.cs);
  out.ss = ToControl(s.ss);
  out.ds = ToControl(s.ds);
  out.fs = ToControl(s.fs);
  out.gs = ToControl(s.gs);
  out.ldt = ToControl(s.ldt);
  out.tr = ToControl(s.tr);
  out.gdt_base = s.gdt_base;
  out.gdt_limit = s.gdt_limit;
  out.idt_base = s.idt_base;
  out.idt_limit = s.idt_limit;
  out.cr0 = s.cr0;
  out.cr2 = s.cr2;
  out.cr3 = s.cr3;
  out.cr4 = s.cr4;
  out.efer = s.efer;
  if (auto debug = vcpu.GetDebugRegisters(); debug && debug->size() == 6) {
    for (int i = 0; i < 4; ++i) out.dr[i] = (*debug)[static_cast<size_t>(i)];
    out.dr[6] = (*debug)[4];
    out.dr[7] = (*debug)[5];
  }
  if (auto state = vcpu.GetMpState()) out.halted = *state != kvm::MpState::kRunnable;
  return out;
}

}  // namespace davit::machine
