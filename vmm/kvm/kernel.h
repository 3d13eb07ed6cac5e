// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside vmm/kvm only: linux/kvm.h made fit for C++. The kernel's flexible-array macro has an empty
// struct in it, which is 1 byte in C++ and 0 in C: sizes, and with them ioctl numbers, would be
// wrong.
#pragma once

#include <linux/stddef.h>

#undef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(type, name) type name[0]
#include <linux/kvm.h>

static_assert(sizeof(kvm_cpuid2) == 8);
static_assert(sizeof(kvm_msrs) == 8);
static_assert(sizeof(kvm_msr_list) == 4);
static_assert(sizeof(kvm_irq_routing) == 8);
static_assert(sizeof(kvm_nested_state) == 128);
static_assert(sizeof(kvm_xsave) == 4096);
