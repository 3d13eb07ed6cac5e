// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Wire structures of the Linux/x86 boot protocol (Documentation/arch/x86/boot.rst and
// zero-page.rst). Only what the 64-bit protocol reads or writes has a name.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vmm/base/endian.h"

namespace davit::boot::linux_protocol {

// At 0x1f1 of the image and of boot_params. Longer in later protocols; the rest is copied as is.
struct SetupHeader {
  uint8_t setup_sects;
  le16 root_flags;
  le32 syssize;
  le16 ram_size;
  le16 vid_mode;
  le16 root_dev;
  le16 boot_flag;
  uint8_t jump[2];
  le32 header;
  le16 version;
  le32 realmode_swtch;
  le16 start_sys_seg;
  le16 kernel_version;
  uint8_t type_of_loader;
  uint8_t loadflags;
  le16 setup_move_size;
  le32 code32_start;
  le32 ramdisk_image;
  le32 ramdisk_size;
  le32 bootsect_kludge;
  le16 heap_end_ptr;
  uint8_t ext_loader_ver;
  uint8_t ext_loader_type;
  le32 cmd_line_ptr;
  le32 initrd_addr_max;
  le32 kernel_alignment;
  uint8_t relocatable_kernel;
  uint8_t min_alignment;
  le16 xloadflags;
  le32 cmdline_size;
  le32 hardware_subarch;
  le64 hardware_subarch_data;
  le32 payload_offset;
  le32 payload_length;
  le64 setup_data;
  le64 pref_address;
  le32 init_size;
};

inline constexpr size_t kSetupHeaderOffset = 0x1f1;
inline constexpr size_t kSetupHeaderEnd = 0x290;  // where boot_params has its next member
static_assert(offsetof(SetupHeader, boot_flag) == 0x1fe - kSetupHeaderOffset);
static_assert(offsetof(SetupHeader, header) == 0x202 - kSetupHeaderOffset);
static_assert(offsetof(SetupHeader, cmd_line_ptr) == 0x228 - kSetupHeaderOffset);
static_assert(offsetof(SetupHeader, setup_data) == 0x250 - kSetupHeaderOffset);
static_assert(sizeof(SetupHeader) == 0x264 - kSetupHeaderOffset);

inline constexpr uint16_t kBootFlag = 0xaa55;
inline constexpr uint32_t kHeaderMagic = 0x53726448;  // "HdrS"
inline constexpr uint16_t kVersion64Bit = 0x20c;      // the first with xloadflags
inline constexpr uint8_t kLoadedHigh = 1 << 0;        // loadflags
inline constexpr uint16_t kXlfKernel64 = 1 << 0;      // xloadflags
inline constexpr uint16_t kXlfAbove4G = 1 << 1;
inline constexpr uint8_t kLoaderUndefined = 0xff;  // type_of_loader: no assigned number
inline constexpr size_t kEntry64Offset = 0x200;    // of startup_64 from the protected-mode code

struct E820Entry {
  le64 base;
  le64 size;
  le32 type;
};
static_assert(sizeof(E820Entry) == 20);
inline constexpr size_t kE820Max = 128;

struct BootParams {
  uint8_t screen_info[0x70];
  le64 acpi_rsdp_addr;
  uint8_t reserved1[0xc0 - 0x78];
  le32 ext_ramdisk_image;
  le32 ext_ramdisk_size;
  le32 ext_cmd_line_ptr;
  uint8_t reserved2[0x1e8 - 0xcc];
  uint8_t e820_entries;
  uint8_t reserved3[kSetupHeaderOffset - 0x1e9];  // with the sentinel, which must stay zero
  SetupHeader hdr;
  uint8_t later_header[kSetupHeaderEnd - 0x264];
  uint8_t reserved4[0x2d0 - kSetupHeaderEnd];
  E820Entry e820_table[kE820Max];
  uint8_t reserved5[0x1000 - 0xcd0];
};
static_assert(offsetof(BootParams, acpi_rsdp_addr) == 0x70);
static_assert(offsetof(BootParams, ext_ramdisk_image) == 0xc0);
static_assert(offsetof(BootParams, e820_entries) == 0x1e8);
static_assert(offsetof(BootParams, hdr) == kSetupHeaderOffset);
static_assert(offsetof(BootParams, e820_table) == 0x2d0);
static_assert(sizeof(BootParams) == 4096);

// A node of the setup_data list; `length` bytes follow.
struct SetupData {
  le64 next;  // 0: the last
  le32 type;
  le32 length;
};
static_assert(sizeof(SetupData) == 16);
inline constexpr uint32_t kSetupDataDtb = 2;

}  // namespace davit::boot::linux_protocol
