// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How image files are opened. The process injects its way, since /dev/fdset/N stands for
// descriptors that the control plane was given. Owner: control thread.
#pragma once

#include <string>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

class FileOpener {
 public:
  virtual ~FileOpener() = default;
  // `flags` as for open(2); O_CLOEXEC is added. Error: QEMU's words, with the path; *error gets the
  // errno.
  virtual Result<UniqueFd> Open(const std::string& path, int flags, int* error) = 0;
  // The descriptor is about to be closed.
  virtual void Closing(int fd) { (void)fd; }
};

// Plain open(2): "Could not open '/x': No such file or directory".
class PathOpener : public FileOpener {
 public:
  Result<UniqueFd> Open(const std::string& path, int flags, int* error) override;
};

}  // namespace davit::backend
