// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// -pidfile: a file that holds this process's id, locked while the process lives and removed at
// its end. Make it after the last fork.
#pragma once

#include <string>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::daemon {

class PidFile {
 public:
  PidFile() = default;
  // Error: it cannot be made, or another living process holds its lock.
  static Result<PidFile> Create(const std::string& path);
  PidFile(PidFile&&) = default;
  PidFile& operator=(PidFile&&) = default;
  ~PidFile();

 private:
  std::string path_;  // absolute: the process may change its directory
  UniqueFd fd_;       // keeps the lock; none: nothing to remove
};

}  // namespace davit::daemon
