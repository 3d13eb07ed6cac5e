// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Numbers shared by the assembly and the C++ of the probe guest (hence macros).

#pragma once

#define BOOT_LINUX 1       // entered by the Linux boot protocol
#define BOOT_PVH 2         // entered by Xen PVH
#define VECTORS 64         // interrupt vectors with a stub
#define TRAMPOLINE 0x8000  // page where application processors start
