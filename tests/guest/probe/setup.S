// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The setup header that makes a bzImage of the probe guest's flat form (boot.rst, protocol 2.15).
// There is no real-mode code: the image is entered by the 32-bit or the 64-bit boot protocol only.
// SYSSIZE and INIT_SIZE come from the build.

    .text
    .code16
    .org 0x1f1
    .byte 1                         // setup_sects: the header ends in the second sector
    .word 0                         // root_flags
    .long SYSSIZE                   // in 16-byte units
    .word 0, 0xffff, 0              // ram_size, vid_mode, root_dev
    .word 0xaa55
    .byte 0xeb, 0x6a                // jump over the header
    .ascii "HdrS"
    .word 0x020f                    // version
    .long 0                         // realmode_swtch
    .word 0, version - 0x200        // start_sys_seg, kernel_version
    .byte 0, 0x01                   // type_of_loader, loadflags: LOADED_HIGH
    .word 0                         // setup_move_size
    .long 0x100000                  // code32_start
    .long 0, 0                      // ramdisk_image, ramdisk_size
    .long 0                         // bootsect_kludge
    .word 0                         // heap_end_ptr
    .byte 0, 0                      // ext_loader_ver, ext_loader_type
    .long 0                         // cmd_line_ptr
    .long 0x7fffffff                // initrd_addr_max
    .long 0x200000                  // kernel_alignment
    .byte 0, 21                     // relocatable_kernel, min_alignment
    .word 1                         // xloadflags: XLF_KERNEL_64
    .long 1023                      // cmdline_size
    .long 0                         // hardware_subarch
    .quad 0                         // hardware_subarch_data
    .long 0, 0                      // payload_offset, payload_length
    .quad 0                         // setup_data
    .quad 0x100000                  // pref_address
    .long INIT_SIZE                 // init_size
    .long 0                         // handover_offset
    .long 0                         // kernel_info_offset
version:
    .asciz "davit probe guest"
    .org 0x400
