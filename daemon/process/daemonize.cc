// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See daemonize.h. Two forks, so that the background process leads no session and can get no
// controlling terminal.
#include "daemon/process/daemonize.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace davit::daemon {
namespace {

// The parent: ends as the background process says.
[[noreturn]] void WaitAndExit(int fd) {
  char byte = 0;
  ssize_t n = 0;
  do {
    n = read(fd, &byte, 1);
  } while (n < 0 && errno == EINTR);
  _exit(n == 1 ? 0 : 1);
}

}  // namespace

Result<Daemonizer> Daemonizer::Fork() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return FailErrno("-daemonize: pipe");
  UniqueFd read_end(ends[0]);
  Daemonizer daemonizer;
  daemonizer.ready_.reset(ends[1]);
  pid_t pid = fork();
  if (pid < 0) return FailErrno("-daemonize: fork");
  if (pid > 0) {
    daemonizer.ready_.reset();
    WaitAndExit(read_end.get());
  }
  read_end.reset();
  setsid();
  pid = fork();
  if (pid < 0) return FailErrno("-daemonize: fork");
  if (pid > 0) _exit(0);
  umask(027);
  return daemonizer;
}

Status Daemonizer::Detach() {
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return FailErrno("-daemonize: /dev/null");
  if (chdir("/") != 0) return FailErrno("-daemonize: not able to chdir to /");
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null.get(), fd);
  const char byte = 0;
  if (write(ready_.get(), &byte, 1) != 1) return FailErrno("-daemonize: parent has gone");
  ready_.reset();
  return {};
}

}  // namespace davit::daemon
