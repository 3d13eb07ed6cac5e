// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A child process of a test: stdin and stdout are one socket of ours (what `-serial stdio` talks
// to), stderr goes to a file. It waits by pidfd with a deadline, never by sleeping, and kills the
// child when it goes out of scope. Owner: the thread of the test.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {

using std::chrono::milliseconds;

// How long a test waits for what must come. A safety net that only a failing test gets to feel: on
// a busy host an answer takes many times as long as on a quiet one.
inline constexpr milliseconds kPatience{45'000};

// A directory under $TEST_TMPDIR (or /tmp) with a short path, removed with what it holds.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);

class Process {
 public:
  // Starts argv[0] (by PATH). `inherit`: descriptors that the child keeps, with their numbers.
  static Result<std::unique_ptr<Process>> Start(const std::vector<std::string>& argv,
                                                const std::string& stderr_path,
                                                const std::vector<int>& inherit = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  // Our end of the child's stdin and stdout.
  int stdio() const { return stdio_.get(); }

  // The exit status, 128+N after signal N, as the shell has it. Error: still running at the
  // deadline.
  Result<int> Wait(milliseconds timeout);
  void Signal(int number);
  // Asks it to end (SIGTERM), unless it has. Error: it does not in time, or not with status 0; an
  // end that was waited for or came by Signal() is the caller's to judge.
  Status End(milliseconds timeout);

  std::string Stderr() const { return ReadFile(stderr_path_); }

 private:
  Process() = default;

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  UniqueFd stdio_;
  std::string stderr_path_;
  bool reaped_ = false;
  bool signalled_ = false;
  int status_ = 0;
};

// A process that is no child of ours, as a daemon: killed when this goes, if it still runs.
class KillGuard {
 public:
  explicit KillGuard(pid_t pid);
  ~KillGuard();
  KillGuard(const KillGuard&) = delete;
  KillGuard& operator=(const KillGuard&) = delete;

 private:
  const UniqueFd pidfd_;  // none: there was no such process
};

struct RunResult {
  int status = -1;
  std::string out;
  std::string err;
};

// Runs a command to its end, stdin empty. A command that outlives the deadline is killed: status
// -1.
RunResult RunCommand(const std::vector<std::string>& argv,
                     milliseconds timeout = milliseconds(60'000));

}  // namespace davit::testing
