// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -sandbox: a seccomp filter that takes system calls away from the whole process, so that a guest
// which has got hold of it finds less to use. It is a list of what is denied, with QEMU's groups;
// the list that always holds is longer than QEMU's. Nothing lifts it again. Owner: control thread,
// before it starts another.
#pragma once

#include "daemon/process/sandbox_policy.h"
#include "vmm/base/error.h"

namespace davit::daemon {

// Whether the host's kernel has filters.
bool SandboxAvailable();

// Denies, from now on and for all threads:
//  - always: changing the system (mounts, modules, clocks, swap, reboot, names), reaching into
//  other
//    processes, kernel keys, namespaces, BPF, and the system calls of other ABIs: the process ends
//    by SIGSYS;
//  - obsolete and elevate_privileges, when denied: SIGSYS;
//  - spawn and resource_control, when denied: EPERM, since an operator can ask for them by mistake
//    (a script of a tap device) and is then told;
//  - with spawn: memory that is executable and was not so when the program was loaded: EACCES.
// Children are under the same filter, and exec gives no privileges in any case
// (PR_SET_NO_NEW_PRIVS). Error: the kernel refuses.
Status EnterSandbox(const SandboxPolicy& policy);

}  // namespace davit::daemon
