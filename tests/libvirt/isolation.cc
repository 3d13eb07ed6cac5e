// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See isolation.h.
#include "tests/libvirt/isolation.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace davit::testing {
namespace {

constexpr int kNotPossible = 125;  // of the first process: nothing has run

int StatusOf(int raw) { return WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw); }

// The first process of the namespace.
[[noreturn]] void Init(const std::function<int()>& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const bool mounted = mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                       mount("proc", "/proc", "proc", 0, nullptr) == 0 &&
                       mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0;
  if (!mounted) _exit(kNotPossible);
  const pid_t child = fork();
  if (child < 0) _exit(kNotPossible);
  if (child == 0) _exit(body());
  for (;;) {
    int raw = 0;
    const pid_t ended = wait(&raw);
    if (ended == child) _exit(StatusOf(raw));
  }
}

}  // namespace

Result<int> RunIsolated(const std::function<int()>& body) {
  if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET) != 0) return FailErrno("namespaces");
  const pid_t init = fork();
  if (init < 0) return FailErrno("fork");
  if (init == 0) Init(body);
  int raw = 0;
  if (waitpid(init, &raw, 0) != init) return FailErrno("waitpid");
  if (StatusOf(raw) == kNotPossible) return Fail("the namespaces have no /proc or /sys");
  return StatusOf(raw);
}

Status Bind(const std::string& path, const std::string& over) {
  if (mount(path.c_str(), over.c_str(), nullptr, MS_BIND, nullptr) == 0) return {};
  return FailErrno("bind " + path + " over " + over);
}

}  // namespace davit::testing
