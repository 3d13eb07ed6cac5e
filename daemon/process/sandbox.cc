// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See sandbox.h. The tables hold system calls of x86-64; libseccomp makes the BPF program.
#include "daemon/process/sandbox.h"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <span>

namespace davit::daemon {
namespace {

// No part of a VMM's work, whatever it is configured for.
constexpr int kNever[] = {
    // the system as a whole
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(syslog),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
    SCMP_SYS(vhangup),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    // kernels and modules
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    // file systems and namespaces
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(fanotify_init),
    // other processes
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(process_mrelease),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    SCMP_SYS(migrate_pages),
    SCMP_SYS(move_pages),
    // wide doors of the kernel
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(lookup_dcookie),
    // ways around the CPU's protection
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(personality),
};

constexpr int kObsolete[] = {
    SCMP_SYS(_sysctl),        SCMP_SYS(create_module), SCMP_SYS(get_kernel_syms),
    SCMP_SYS(query_module),   SCMP_SYS(uselib),        SCMP_SYS(ustat),
    SCMP_SYS(sysfs),          SCMP_SYS(nfsservctl),    SCMP_SYS(getpmsg),
    SCMP_SYS(putpmsg),        SCMP_SYS(afs_syscall),   SCMP_SYS(tuxcall),
    SCMP_SYS(security),       SCMP_SYS(vserver),       SCMP_SYS(epoll_ctl_old),
    SCMP_SYS(epoll_wait_old),
};

constexpr int kElevatePrivileges[] = {
    SCMP_SYS(setuid),    SCMP_SYS(setgid),    SCMP_SYS(setreuid), SCMP_SYS(setregid),
    SCMP_SYS(setresuid), SCMP_SYS(setresgid), SCMP_SYS(setfsuid), SCMP_SYS(setfsgid),
    SCMP_SYS(setgroups), SCMP_SYS(capset),    SCMP_SYS(setpgid),  SCMP_SYS(setsid),
};

// A new process by clone is told apart by its flags, below.
constexpr int kSpawn[] = {
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
};

// Asking is free.
constexpr int kResourceControl[] = {
    SCMP_SYS(setpriority),       SCMP_SYS(sched_setparam), SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_setaffinity), SCMP_SYS(sched_setattr),  SCMP_SYS(ioprio_set),
    SCMP_SYS(setrlimit),
};

constexpr uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ALLOW), seccomp_release) {
    if (context_ == nullptr) {
      error_ = -ENOMEM;
      return;
    }
    Set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    Set(SCMP_FLTATR_CTL_TSYNC, 1);
    Set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // each exit of a vCPU is a system call: a tree, not a list
  }

  void Deny(uint32_t action, std::span<const int> calls) {
    for (const int call : calls) Add(action, call, {});
  }
  template <typename... Conditions>
  void DenyIf(uint32_t action, int call, Conditions... conditions) {
    const scmp_arg_cmp all[] = {conditions...};
    Add(action, call, all);
  }

  Status Load() {
    if (error_ == 0) error_ = seccomp_load(context_.get());
    if (error_ == 0) return {};
    return Fail(fmt::format("failed to install seccomp syscall filter in the kernel: {}",
                            std::strerror(-error_)));
  }

 private:
  void Set(scmp_filter_attr attribute, uint32_t value) {
    if (error_ == 0) error_ = seccomp_attr_set(context_.get(), attribute, value);
  }
  // Calls that this architecture has not are left out.
  void Add(uint32_t action, int call, std::span<const scmp_arg_cmp> conditions) {
    if (error_ != 0 || call < 0) return;
    error_ = seccomp_rule_add_array(context_.get(), action, call,
                                    static_cast<unsigned>(conditions.size()), conditions.data());
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int error_ = 0;  // the first one, negative
};

// Code that was not there when the program was loaded.
void DenyNewCode(Filter& filter) {
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(pkey_mprotect)}) {
    filter.DenyIf(SCMP_ACT_ERRNO(EACCES), call, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
  }
  filter.DenyIf(SCMP_ACT_ERRNO(EACCES), SCMP_SYS(shmat),
                SCMP_A2(SCMP_CMP_MASKED_EQ, SHM_EXEC, SHM_EXEC));
}

// As unshare and setns are. clone3 has its flags in memory, which a filter does not see; the C
// library then makes threads and processes by clone.
void DenyNamespaces(Filter& filter) {
  for (const uint64_t flag : {CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                              CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET}) {
    filter.DenyIf(SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
  }
  const int clone3[] = {SCMP_SYS(clone3)};
  filter.Deny(SCMP_ACT_ERRNO(ENOSYS), clone3);
}

void DenySpawn(Filter& filter) {
  DenyNewCode(filter);  // children are under the same filter, and could not be loaded
  filter.Deny(kRefuse, kSpawn);
  filter.DenyIf(kRefuse, SCMP_SYS(clone), SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
}

void DenyResourceControl(Filter& filter) {
  filter.Deny(kRefuse, kResourceControl);
  // With a new limit; without, it asks.
  filter.DenyIf(kRefuse, SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_NE, 0));
}

}  // namespace

bool SandboxAvailable() {
  // The kernel looks at the address if it knows the mode.
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, nullptr, 0, 0) == -1 && errno == EFAULT;
}

Status EnterSandbox(const SandboxPolicy& policy) {
  Filter filter;
  filter.Deny(SCMP_ACT_KILL_PROCESS, kNever);
  DenyNamespaces(filter);
  if (!policy.obsolete) filter.Deny(SCMP_ACT_KILL_PROCESS, kObsolete);
  if (policy.elevate_privileges == SandboxPolicy::Elevate::kDeny) {
    filter.Deny(SCMP_ACT_KILL_PROCESS, kElevatePrivileges);
  }
  if (!policy.spawn) DenySpawn(filter);
  if (!policy.resource_control) DenyResourceControl(filter);
  return filter.Load();
}

}  // namespace davit::daemon
