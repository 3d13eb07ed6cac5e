// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Opens files of back ends: paths, and /dev/fdset/N for descriptors that the process was given
// (-add-fd, add-fd). Owner: control thread.
#pragma once

#include <string>

#include "qmp/session/fd_sets.h"
#include "vmm/backend/file/file_opener.h"

namespace davit::daemon {

class FdSetOpener final : public backend::FileOpener {
 public:
  explicit FdSetOpener(qmp::FdSets& fd_sets) : fd_sets_(fd_sets) {}
  Result<UniqueFd> Open(const std::string& path, int flags, int* error) override;
  void Closing(int fd) override { fd_sets_.Release(fd); }

 private:
  qmp::FdSets& fd_sets_;
  backend::PathOpener paths_;
};

}  // namespace davit::daemon
