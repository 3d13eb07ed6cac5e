// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// How files of back ends are opened: disk images, outputs and logs of character devices, sources of
// random numbers. The process injects its way, since /dev/fdset/N stands for descriptors that the
// control plane was given. Owner: control thread.
#pragma once

#include <string>
#include <utility>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::backend {

class FileOpener {
 public:
  virtual ~FileOpener() = default;
  // `flags` as for open(2); O_CLOEXEC is added, and a new file gets the mode 0666 less the umask.
  // Error: QEMU's words, with the path; *error gets the errno.
  virtual Result<UniqueFd> Open(const std::string& path, int flags, int* error) = 0;
  // The descriptor is about to be closed.
  virtual void Closing(int fd) { (void)fd; }
};

// Plain open(2): "Could not open '/x': No such file or directory".
class PathOpener : public FileOpener {
 public:
  Result<UniqueFd> Open(const std::string& path, int flags, int* error) override;
};

// For who is given no other; it has no state.
FileOpener& PlainOpener();

// A descriptor that an opener gave, which is told of the closing and outlives this.
class OpenedFile {
 public:
  OpenedFile() = default;
  OpenedFile(UniqueFd fd, FileOpener& opener) : fd_(std::move(fd)), opener_(&opener) {}
  OpenedFile(OpenedFile&&) = default;
  OpenedFile& operator=(OpenedFile&& other) noexcept {
    Close();
    fd_ = std::move(other.fd_);
    opener_ = other.opener_;
    return *this;
  }
  ~OpenedFile() { Close(); }

  int get() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }

 private:
  void Close() {
    if (fd_) opener_->Closing(fd_.get());
    fd_.reset();
  }

  UniqueFd fd_;
  FileOpener* opener_ = nullptr;
};

}  // namespace davit::backend
