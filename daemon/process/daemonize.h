// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -daemonize: the caller's process waits until the one in the background is set up, and ends with 0
// then, or with 1 when that one died before. Call Fork() while the process has one thread.
#pragma once

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::daemon {

class Daemonizer {
 public:
  // Returns in the background process only, which still has the caller's stdio and directory.
  static Result<Daemonizer> Fork();
  // Lets go of the terminal (stdio is /dev/null from now on) and of the directory, and ends the
  // waiting parent.
  Status Detach();

  // Without Detach() the parent waits on, until this process ends: by then it has said on stderr
  // what failed, and has removed its files.
  ~Daemonizer() { (void)ready_.release(); }
  Daemonizer(Daemonizer&&) = default;
  Daemonizer& operator=(Daemonizer&&) = default;

 private:
  Daemonizer() = default;
  UniqueFd ready_;  // write end; closing it without a byte is failure
};

}  // namespace davit::daemon
