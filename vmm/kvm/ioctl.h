// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Inside vmm/kvm only: ioctl with EINTR retried and errno turned into an Error that names the call.
#pragma once

#include <string>

#include "vmm/base/error.h"
#include "vmm/kvm/kernel.h"
#include "vmm/kvm/types.h"

namespace davit::kvm {

// The return value (>= 0) or "<name> failed: <cause>".
Result<int> Ioctl(int fd, unsigned long request, void* argument, const char* name);
Result<int> Ioctl(int fd, unsigned long request, unsigned long argument, const char* name);
// The array that follows a counted header.
template <typename T, typename Header>
T* EntriesAfter(Header* header) {
  static_assert(sizeof(Header) % alignof(T) == 0);
  return static_cast<T*>(static_cast<void*>(header + 1));
}
// Extension number of a capability.
long ExtensionOf(Cap cap);

}  // namespace davit::kvm
