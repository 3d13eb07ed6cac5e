// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The sandbox as libvirt asks for it, and whether a process is in one. Owner: the thread of the
// test.
#pragma once

#include <sys/types.h>

namespace davit::testing {

// The argument of -sandbox.
inline constexpr char kLibvirtSandbox[] =
    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

// Fails the test unless each thread of the process is under a filter of system calls ("Seccomp:" of
// its status in /proc is 2).
void ExpectFiltered(pid_t pid);

}  // namespace davit::testing
