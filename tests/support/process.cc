// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "tests/support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "vmm/base/check.h"

namespace davit::testing {
namespace {

// In the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void Exec(char* const* argv, int stdio, int stderr_fd, const std::vector<int>& keep) {
  dup2(stdio, STDIN_FILENO);
  dup2(stdio, STDOUT_FILENO);
  dup2(stderr_fd, STDERR_FILENO);
  for (int fd : keep) fcntl(fd, F_SETFD, 0);
  execvp(argv[0], argv);
  dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerrordesc_np(errno));
  _exit(127);
}

}  // namespace

TempDir::TempDir() {
  // UNIX socket paths have 108 bytes, so not under Bazel's long $TEST_TMPDIR.
  std::string name = "/tmp/davit.XXXXXX";
  DAVIT_CHECK(mkdtemp(name.data()) != nullptr);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Result<std::unique_ptr<Process>> Process::Start(const std::vector<std::string>& argv,
                                                const std::string& stderr_path,
                                                const std::vector<int>& inherit) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return FailErrno("socketpair");
  UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  UniqueFd err(open(stderr_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!err) return FailErrno(stderr_path);
  std::vector<char*> arguments;
  for (const std::string& a : argv) arguments.push_back(const_cast<char*>(a.c_str()));
  arguments.push_back(nullptr);

  auto process = std::unique_ptr<Process>(new Process());
  process->pid_ = fork();
  if (process->pid_ < 0) return FailErrno("fork");
  if (process->pid_ == 0) Exec(arguments.data(), theirs.get(), err.get(), inherit);
  process->pidfd_.reset(static_cast<int>(syscall(SYS_pidfd_open, process->pid_, 0)));
  if (!process->pidfd_) return FailErrno("pidfd_open");
  process->stdio_ = std::move(ours);
  process->stderr_path_ = stderr_path;
  return process;
}

Process::~Process() {
  if (pid_ <= 0 || reaped_) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Result<int> Process::Wait(milliseconds timeout) {
  if (!reaped_) {
    pollfd p{pidfd_.get(), POLLIN, 0};
    const int ready = poll(&p, 1, static_cast<int>(timeout.count()));
    if (ready <= 0) return Fail("process " + std::to_string(pid_) + " still runs");
    int raw = 0;
    if (waitpid(pid_, &raw, 0) != pid_) return FailErrno("waitpid");
    reaped_ = true;
    status_ = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
  }
  return status_;
}

void Process::Signal(int number) {
  signalled_ = true;
  if (!reaped_) kill(pid_, number);
}

Status Process::End(milliseconds timeout) {
  const bool judged = reaped_ || signalled_;
  auto status = Wait(milliseconds(0));
  if (!status) {
    kill(pid_, SIGTERM);
    status = Wait(timeout);
    if (!status) return Fail(status.error().message + " after SIGTERM");
  } else if (judged) {
    return {};
  }
  if (*status == 0) return {};
  return Fail("process " + std::to_string(pid_) + " ended with status " + std::to_string(*status) +
              ": " + Stderr());
}

KillGuard::KillGuard(pid_t pid) : pidfd_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

KillGuard::~KillGuard() {
  if (pidfd_) syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

RunResult RunCommand(const std::vector<std::string>& argv, milliseconds timeout) {
  TempDir dir;
  RunResult result;
  auto process = Process::Start(argv, dir.File("stderr"));
  if (!process) {
    result.err = process.error().message;
    return result;
  }
  shutdown((*process)->stdio(), SHUT_WR);
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  char buffer[4096];
  for (;;) {
    const auto left =
        std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd p{(*process)->stdio(), POLLIN, 0};
    if (left.count() <= 0 || poll(&p, 1, static_cast<int>(left.count())) <= 0) break;
    const ssize_t n = read(p.fd, buffer, sizeof buffer);
    if (n <= 0) break;
    result.out.append(buffer, static_cast<size_t>(n));
  }
  const auto left =
      std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
  if (auto status = (*process)->Wait(std::max(left, milliseconds(0)))) result.status = *status;
  result.err = (*process)->Stderr();
  return result;
}

}  // namespace davit::testing
