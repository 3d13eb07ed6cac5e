// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Files of the host whose content the guest gets as it is: -fw_cfg file=, -smbios path=. Control
// thread.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "vmm/base/error.h"

namespace davit::machine {

// Whole, once; a FIFO without a writer is empty, nobody is waited for. Error: only the cause
// ("No such file or directory"); more than `max` bytes are "File too large".
Result<std::vector<std::byte>> ReadHostFile(const std::string& path, size_t max);

}  // namespace davit::machine
