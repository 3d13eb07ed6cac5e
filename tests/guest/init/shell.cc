// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs commands by busybox's shell, which knows busybox's programs without a path.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guest/init/commands.h"

namespace init {
namespace {

// A child with `out` as its output, -1: with init's.
pid_t Start(const std::string& command, int out) {
  const pid_t child = fork();
  if (child != 0) return child;
  if (out >= 0) {
    dup2(out, 1);
    dup2(out, 2);
  }
  const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(nothing, 0);
  execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
  _exit(127);
}

}  // namespace

void RunShell(const std::string& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    printf("init: sh: %s\n", strerror(errno));
    return;
  }
  const pid_t child = Start(command, ends[1]);
  close(ends[1]);
  FILE* output = fdopen(ends[0], "re");
  char line[512];
  while (fgets(line, sizeof line, output) != nullptr) {
    line[strcspn(line, "\n")] = 0;
    printf("init: | %s\n", line);
  }
  fclose(output);
  int status = 0;
  waitpid(child, &status, 0);
  printf("init: end %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

void Spawn(const std::string& command) {
  printf("init: spawn %s\n", Start(command, -1) > 0 ? "done" : strerror(errno));
}

void Reap() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

}  // namespace init
