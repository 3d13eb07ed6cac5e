// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The properties of each object type, from the typed list of object-add to the options of what it
// makes. Pure. Errors: QEMU's wording.
#pragma once

#include <string>

#include "vmm/base/error.h"
#include "vmm/control/types.h"
#include "vmm/memory/ram_block.h"

namespace davit::machine {

// spec.qom_type is one of memory-backend-ram, -memfd, -file. base: the defaults.
Result<memory::RamBlockOptions> ParseMemoryBackend(const control::ObjectSpec& spec,
                                                   const memory::RamBlockOptions& base);
Result<control::IoThreadInfo> ParseIoThread(const control::ObjectSpec& spec);

struct RngOptions {
  std::string filename = "/dev/urandom";  // rng-random
  std::string chardev;                    // rng-egd
};
Result<RngOptions> ParseRng(const control::ObjectSpec& spec);

}  // namespace davit::machine
