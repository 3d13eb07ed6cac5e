// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the sandbox takes away, each tried in a child process of its own.
#include "daemon/process/sandbox.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

namespace davit::daemon {
namespace {

constexpr int kFailed = 100;  // of EnterSandbox

SandboxPolicy AllDenied() {
  return {.obsolete = false,
          .elevate_privileges = SandboxPolicy::Elevate::kDeny,
          .spawn = false,
          .resource_control = false};
}

// How a child ends that enters the sandbox and then does this: its exit status, or -N for signal N.
int InSandbox(const SandboxPolicy& policy, const std::function<int()>& act) {
  const pid_t child = fork();
  if (child == 0) _exit(EnterSandbox(policy) ? act() : kFailed);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

// The error number of a call that returns -1, else 0.
template <typename Call>
std::function<int()> ErrnoOf(Call call) {
  return [call] { return call() == -1 ? errno : 0; };
}

int Spawn() {
  const char* const words[] = {"/bin/true", nullptr};
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, words[0], nullptr, nullptr, const_cast<char**>(words), environ);
  if (error != 0) return error;
  int status = 0;
  waitpid(pid, &status, 0);
  return status;
}

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!SandboxAvailable()) GTEST_SKIP() << "the host's kernel has no seccomp filters";
  }
};

TEST_F(SandboxTest, ChangingTheSystemEndsTheProcess) {
  const SandboxPolicy policy;
  EXPECT_EQ(InSandbox(policy, [] { return umount2("/nonexistent", 0); }), -SIGSYS);
  EXPECT_EQ(InSandbox(policy, [] { return unshare(CLONE_NEWUSER); }), -SIGSYS);
  EXPECT_EQ(InSandbox(policy, [] { return static_cast<int>(syscall(SYS_bpf, 0, nullptr, 0)); }),
            -SIGSYS);
  EXPECT_EQ(InSandbox(policy, [] { return static_cast<int>(syscall(SYS_ptrace, 0, 0, 0, 0)); }),
            -SIGSYS);
}

TEST_F(SandboxTest, NoProcessGetsNamespacesOfItsOwn) {
  for (const long flag : {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID,
                          CLONE_NEWNET, CLONE_NEWCGROUP}) {
    EXPECT_EQ(InSandbox({},
                        [flag] {
                          return static_cast<int>(syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0));
                        }),
              -SIGSYS)
        << flag;
  }
  EXPECT_EQ(InSandbox({}, ErrnoOf([] { return syscall(SYS_clone3, nullptr, 0); })), ENOSYS);
}

TEST_F(SandboxTest, SystemCallsOfAnotherAbiEndTheProcess) {
  constexpr long kX32 = 0x40000000;
  EXPECT_EQ(InSandbox({}, [] { return static_cast<int>(syscall(kX32 + SYS_getpid)); }), -SIGSYS);
}

TEST_F(SandboxTest, NoNewCodeWhereNothingIsSpawned) {
  const SandboxPolicy policy{.spawn = false};
  const auto map = [](int protection) {
    return mmap(nullptr, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  };
  EXPECT_EQ(InSandbox(policy, [&] { return map(PROT_READ | PROT_EXEC) == MAP_FAILED ? errno : 0; }),
            EACCES);
  EXPECT_EQ(InSandbox(policy, ErrnoOf([&] {
                        return mprotect(map(PROT_READ | PROT_WRITE), 4096, PROT_READ | PROT_EXEC);
                      })),
            EACCES);
  EXPECT_EQ(
      InSandbox(policy, [&] { return map(PROT_READ | PROT_WRITE) == MAP_FAILED ? errno : 0; }), 0);
  // What a child needs to be loaded.
  EXPECT_EQ(InSandbox({}, [&] { return map(PROT_READ | PROT_EXEC) == MAP_FAILED ? errno : 0; }), 0);
}

TEST_F(SandboxTest, ObsoleteCallsEndTheProcessUnlessAllowed) {
  const auto call = ErrnoOf([] { return syscall(SYS_ustat, 0, nullptr); });
  EXPECT_EQ(InSandbox({}, call), -SIGSYS);
  EXPECT_GT(InSandbox({.obsolete = true}, call), 0);
}

TEST_F(SandboxTest, PrivilegesAreOneGroup) {
  const auto call = ErrnoOf([] { return setuid(getuid()); });
  EXPECT_EQ(InSandbox({}, call), 0);
  EXPECT_EQ(InSandbox({.elevate_privileges = SandboxPolicy::Elevate::kChildren}, call), 0);
  EXPECT_EQ(InSandbox({.elevate_privileges = SandboxPolicy::Elevate::kDeny}, call), -SIGSYS);
}

TEST_F(SandboxTest, SpawningFailsAndThreadsDoNot) {
  EXPECT_EQ(InSandbox({}, Spawn), 0);
  EXPECT_EQ(InSandbox({.spawn = false}, Spawn), EPERM);
  EXPECT_EQ(InSandbox({.spawn = false}, ErrnoOf(fork)), EPERM);
  EXPECT_EQ(InSandbox({.spawn = false},
                      [] {
                        int value = 0;
                        std::thread([&] { value = 7; }).join();
                        return value;
                      }),
            7);
}

TEST_F(SandboxTest, ResourcesAreOneGroupAndAskingIsFree) {
  const auto priority = ErrnoOf([] { return setpriority(PRIO_PROCESS, 0, 0); });
  const auto limit = ErrnoOf([] {
    rlimit now{};
    if (getrlimit(RLIMIT_CORE, &now) != 0) return 0;
    return setrlimit(RLIMIT_CORE, &now);
  });
  EXPECT_EQ(InSandbox({}, priority), 0);
  EXPECT_EQ(InSandbox({}, limit), 0);
  EXPECT_EQ(InSandbox({.resource_control = false}, priority), EPERM);
  EXPECT_EQ(InSandbox({.resource_control = false}, limit), EPERM);
  EXPECT_EQ(InSandbox({.resource_control = false}, ErrnoOf([] {
                        cpu_set_t set;
                        return sched_getaffinity(0, sizeof(set), &set);
                      })),
            0);
}

TEST_F(SandboxTest, ThreadsThatAreThereAlreadyAreIn) {
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<bool> go{false};
    std::thread other([&] {
      go.wait(false);
      _exit(Spawn());
    });
    if (!EnterSandbox(AllDenied())) _exit(kFailed);
    go = true;
    go.notify_one();
    other.join();
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

}  // namespace
}  // namespace davit::daemon
