// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See image_locks.h.
#include "vmm/backend/block/image_locks.h"

#include <fcntl.h>
#include <fmt/format.h>

namespace davit::backend {
namespace {

constexpr off_t kUsedBase = 100;
constexpr off_t kUnsharedBase = 200;
constexpr unsigned kPermissions = 4;

int Control(int fd, int command, short type, off_t byte, struct flock* out = nullptr) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  int result;
  do {
    result = fcntl(fd, command, &lock);
  } while (result < 0 && errno == EINTR);
  if (out != nullptr) *out = lock;
  return result < 0 ? errno : 0;
}

// Does another open file description hold a lock on the byte?
Result<bool> HeldByOther(int fd, off_t byte) {
  struct flock found;
  const int error = Control(fd, F_OFD_GETLK, F_WRLCK, byte, &found);
  if (error != 0) return FailErrno("Failed to test image locks", error);
  return found.l_type != F_UNLCK;
}

}  // namespace

const char* PermissionName(BlockPermissions bit) {
  switch (bit) {
    case kPermRead:
      return "consistent read";
    case kPermWrite:
      return "write";
    case kPermWriteUnchanged:
      return "write unchanged";
    default:
      return "resize";
  }
}

std::string PermissionNames(BlockPermissions set) {
  std::string names;
  for (unsigned n = 0; n < kPermissions; ++n) {
    if (!(set & (1u << n))) continue;
    if (!names.empty()) names += ", ";
    names += PermissionName(1u << n);
  }
  return names;
}

bool ImageLocks::Supported(int fd) {
  struct flock found;
  return Control(fd, F_OFD_GETLK, F_WRLCK, kUsedBase, &found) == 0;
}

Status ImageLocks::Set(int fd, BlockPermissions used, BlockPermissions unshared) {
  for (unsigned n = 0; n < kPermissions; ++n) {
    const BlockPermissions bit = 1u << n;
    const auto change = [&](BlockPermissions have, BlockPermissions want, off_t byte) {
      if (((have ^ want) & bit) == 0) return 0;
      return Control(fd, F_OFD_SETLK, (want & bit) ? F_RDLCK : F_UNLCK, byte);
    };
    int error = change(used_, used, kUsedBase + n);
    if (error != 0) return FailErrno("Failed to lock byte " + std::to_string(kUsedBase + n), error);
    used_ = (used_ & ~bit) | (used & bit);
    error = change(unshared_, unshared, kUnsharedBase + n);
    if (error != 0) {
      return FailErrno("Failed to lock byte " + std::to_string(kUnsharedBase + n), error);
    }
    unshared_ = (unshared_ & ~bit) | (unshared & bit);
  }
  return {};
}

Status ImageLocks::CopyTo(int fd) const {
  ImageLocks copy;
  return copy.Set(fd, used_, unshared_);
}

Status ImageLocks::Change(int fd, BlockPermissions used, BlockPermissions shared) {
  const BlockPermissions unshared = ~shared & kPermAll;
  const BlockPermissions old_used = used_;
  const BlockPermissions old_unshared = unshared_;
  const auto test = [&]() -> Status {
    for (unsigned n = 0; n < kPermissions; ++n) {
      const BlockPermissions bit = 1u << n;
      if (used & bit) {
        DAVIT_ASSIGN(const bool held, HeldByOther(fd, kUnsharedBase + n));
        if (held) return Fail(fmt::format("Failed to get \"{}\" lock", PermissionName(bit)));
      }
      if (unshared & bit) {
        DAVIT_ASSIGN(const bool held, HeldByOther(fd, kUsedBase + n));
        if (held) return Fail(fmt::format("Failed to get shared \"{}\" lock", PermissionName(bit)));
      }
    }
    return {};
  };
  const bool more = (used & ~old_used) != 0 || (unshared & ~old_unshared) != 0;
  // First the new ones beside the old, so that two processes that try at once cannot both succeed.
  Status status = Set(fd, old_used | used, old_unshared | unshared);
  if (status && more) status = test();
  if (!status) {
    (void)Set(fd, old_used, old_unshared);
    return status;
  }
  return Set(fd, used, unshared);
}

}  // namespace davit::backend
