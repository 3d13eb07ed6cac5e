// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Owner of the file of a UNIX socket that this process has bound: removed with the owner, unless
// another file has taken its place. Movable; one thread at a time.
#pragma once

#include <sys/types.h>

#include <string>

namespace davit {

class SocketFile {
 public:
  SocketFile() = default;
  // `path` was just bound.
  explicit SocketFile(std::string path);
  SocketFile(SocketFile&& other) noexcept;
  SocketFile& operator=(SocketFile&& other) noexcept;
  ~SocketFile() { Remove(); }

 private:
  void Remove();

  std::string path_;  // empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace davit
