// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Chooses the loader by the file's first bytes.
#include "vmm/boot/kernel_loader.h"

#include "vmm/base/check.h"
#include "vmm/boot/linux/bzimage.h"
#include "vmm/boot/pvh/elf.h"
#include "vmm/boot/pvh/pvh.h"

namespace davit::boot {

Result<LoadedKernel> LoadKernel(const memory::GuestMemory& memory, const LoadRequest& request) {
  DAVIT_CHECK(request.kernel != nullptr);
  if (request.kernel->size() == 0) return request.kernel->LoadError("the file is empty");
  if (IsElf(*request.kernel)) return LoadPvh(memory, request);
  return LoadBzImage(memory, request);
}

}  // namespace davit::boot
