// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Locks on image files between processes, byte for byte those of QEMU, so that davit and QEMU
// exclude each other. Each permission has two bytes in the file: at 100+n a user of the permission
// holds a shared open-file-description lock, at 200+n one who does not let others have it. Whoever
// wants a permission tests that nobody holds its 200 byte, and the other way round. Owner: control
// thread.
#pragma once

#include <cstdint>
#include <string>

#include "vmm/base/error.h"

namespace davit::backend {

using BlockPermissions = uint32_t;
inline constexpr BlockPermissions kPermRead = 1;  // what is read stays consistent
inline constexpr BlockPermissions kPermWrite = 2;
inline constexpr BlockPermissions kPermWriteUnchanged = 4;
inline constexpr BlockPermissions kPermResize = 8;
inline constexpr BlockPermissions kPermAll = 15;

// "consistent read", "write", ... of one bit.
const char* PermissionName(BlockPermissions bit);
// All of a set: "write, resize".
std::string PermissionNames(BlockPermissions set);

class ImageLocks {
 public:
  // Does the kernel have such locks on this file?
  static bool Supported(int fd);

  // Moves from the permissions held to (used, shared). Error, with the old ones still held: another
  // process is in the way ("Failed to get \"write\" lock"). Less is never refused.
  Status Change(int fd, BlockPermissions used, BlockPermissions shared);
  // The same locks on another descriptor of the file, while this one keeps others away.
  Status CopyTo(int fd) const;

 private:
  Status Set(int fd, BlockPermissions used, BlockPermissions unshared);

  BlockPermissions used_ = 0;
  BlockPermissions unshared_ = 0;
};

}  // namespace davit::backend
