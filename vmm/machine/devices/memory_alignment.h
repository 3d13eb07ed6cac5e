// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What all devices that show a memory backend to the guest have in common. Control thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "vmm/base/units.h"
#include "vmm/memory/ram_block.h"

namespace davit::machine {

// What address and size of a memory device must be multiples of, bytes: the backing store's page;
// 2 MiB for anonymous memory, which can then be in huge pages on both sides.
inline uint64_t AlignmentOf(const memory::RamBlock& block) {
  const bool anonymous = block.options().kind == memory::RamBlockOptions::Kind::kAnonymous;
  return std::max({block.page_size(), block.options().align, anonymous ? 2 * kMiB : kPageSize});
}

}  // namespace davit::machine
