// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Entry points and low-level stubs of the probe guest.
//  - Linux boot protocol (Documentation/arch/x86/boot.rst): 32-bit entry at the load address, 64-bit
//    entry 0x200 above it, zero page in (R)SI.
//  - Xen PVH: 32-bit entry named by an ELF note, start info in EBX.
//  - INIT-SIPI: a 16-bit trampoline, copied to kTrampolinePage by smp.cc.
// All of them end in 64-bit mode on our own GDT and page tables. Only instructions that KVM's
// software emulator knows are used.

#include "layout.h"

#define MSR_EFER 0xc0000080
#define EFER_LME 0x100
#define CR4_PAE 0x20
#define CR0_PE_PG 0x80000001

    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18                  // namesz, descsz, XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long pvh_entry

// --- boot processor -------------------------------------------------------------------------------

    .section .head, "ax"
    .code32
    .globl linux32_entry
linux32_entry:
    cld
    movl $BOOT_LINUX, %edi
    jmp enter_long_mode

pvh_entry:
    cld
    movl $BOOT_PVH, %edi
    movl %ebx, %esi

enter_long_mode:                    // edi: BOOT_*, esi: the boot structure
    cli
    lgdt gdt_pointer
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %cr4, %eax
    orl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $page_pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl %cr0, %eax
    orl $CR0_PE_PG, %eax
    movl %eax, %cr0
    ljmp $0x10, $start64

    .org 0x200
    .code64
    .globl linux64_entry
linux64_entry:                      // long mode, CS 0x10, DS 0x18, rsi: the zero page
    cli
    cld
    lgdt gdt_pointer
    movl $page_pml4, %eax
    movq %rax, %cr3
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $BOOT_LINUX, %edi

start64:
    movl %edi, %r8d
    movl %esi, %r9d
    movl $bss_start, %edi           // a flat image or a warm reset brings no cleared BSS
    movl $bss_quads, %ecx
    xorl %eax, %eax
    rep stosq
    movl $boot_stack_top, %esp
    movl %r8d, %edi
    movl %r9d, %esi
    call ProbeMain
1:  hlt
    jmp 1b

// --- application processors -----------------------------------------------------------------------

    .section .text, "ax"
    .code16
    .globl trampoline_start, trampoline_end
trampoline_start:                   // runs at TRAMPOLINE, CS = TRAMPOLINE >> 4
    cli
    movw %cs, %ax
    movw %ax, %ds
    lgdtl trampoline_gdt_pointer - trampoline_start
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x20, $(TRAMPOLINE + trampoline32 - trampoline_start)
    .code32
trampoline32:
    movl $0x18, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %cr4, %eax
    orl $CR4_PAE, %eax
    movl %eax, %cr4
    movl $page_pml4, %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    rdmsr
    orl $EFER_LME, %eax
    wrmsr
    movl %cr0, %eax
    orl $CR0_PE_PG, %eax
    movl %eax, %cr0
    ljmp $0x10, $ap64
    .align 4
trampoline_gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
trampoline_end:

    .code64
ap64:                               // one at a time: the stack is shared, smp.cc waits for each
    movl $ap_stack_top, %esp
    call ApMain
1:  cli
    hlt
    jmp 1b

// --- interrupts -----------------------------------------------------------------------------------

    .section .text, "ax"
    .align 16
    .globl isr_stubs
isr_stubs:
    vector = 0
    .rept VECTORS
    .align 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    pushq $0                        // an error code where the processor pushes none
    .endif
    pushq $vector
    jmp isr_common
    vector = vector + 1
    .endr

isr_common:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    cld
    leaq 72(%rsp), %rdi
    call HandleInterrupt
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rax
    addq $16, %rsp
    iretq

// --- tables ---------------------------------------------------------------------------------------

    .section .data, "aw"
    .align 8
gdt:
    .quad 0, 0
    .quad 0x00af9a000000ffff        // 0x10 code, 64-bit
    .quad 0x00cf92000000ffff        // 0x18 data
    .quad 0x00cf9a000000ffff        // 0x20 code, 32-bit
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt

// The first 4 GiB one to one in 2 MiB pages, and a fifth directory with the page that memory.cc
// moves over RAM above 4 GiB.
    .section .pages, "aw"
    .align 4096
page_pml4:
    .quad page_pdpt + 3
    .fill 511, 8, 0
page_pdpt:
    .quad page_directories + 0x0003
    .quad page_directories + 0x1003
    .quad page_directories + 0x2003
    .quad page_directories + 0x3003
    .quad window_directory + 3
    .fill 507, 8, 0
page_directories:
    page = 0
    .rept 2048
    .quad (page << 21) + 0x83
    page = page + 1
    .endr
    .globl window_directory
window_directory:
    .fill 512, 8, 0

    .section .bss, "aw", @nobits
    .align 16
    .skip 8192
boot_stack_top:
    .skip 4096
ap_stack_top:

    .section .note.GNU-stack, "", @progbits
