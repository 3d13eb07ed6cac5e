// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A process that holds memory: every page of it is written, and it stays until it is told to go or
// the kernel, out of memory, kills it.

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/guest/init/commands.h"

namespace init {
namespace {

pid_t holder = -1;

[[noreturn]] void Hold(size_t bytes, int tell) {
  // Before any other process.
  const int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  (void)!write(score, "1000", 4);
  auto* memory = static_cast<volatile char*>(malloc(bytes));
  for (size_t at = 0; memory != nullptr && at < bytes; at += 4096) memory[at] = 1;
  (void)!write(tell, memory != nullptr ? "y" : "n", 1);
  for (;;) pause();
}

}  // namespace

void TouchMemory(const std::string& mib) {
  FreeMemory();
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) {
    printf("init: touch: %s\n", strerror(errno));
    return;
  }
  holder = fork();
  if (holder == 0) Hold(strtoul(mib.c_str(), nullptr, 10) << 20, pipe_ends[1]);
  close(pipe_ends[1]);
  char answer = 0;
  int status = 0;
  if (read(pipe_ends[0], &answer, 1) == 1) {
    printf("init: touch %s\n", answer == 'y' ? "done" : "refused");
  } else {
    waitpid(holder, &status, 0);
    holder = -1;
    printf("init: touch killed by signal %d\n", WTERMSIG(status));
  }
  close(pipe_ends[0]);
}

void FreeMemory() {
  if (holder <= 0) return;
  kill(holder, SIGKILL);
  waitpid(holder, nullptr, 0);
  holder = -1;
}

}  // namespace init
