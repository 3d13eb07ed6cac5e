// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Files of the host whose content the guest gets as it is (-fw_cfg file=, -smbios path=) or that
// objects are made of. Control thread.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "vmm/base/error.h"

namespace davit::machine {

// As read(), of a file that was opened with O_NONBLOCK, but what has not come yet is waited for,
// and the writer of a FIFO, too. EINTR: a signal that ends the process has come.
ssize_t ReadWaiting(int fd, void* to, size_t size);

// Whole, once, waiting as ReadWaiting(). Error: only the cause ("No such file or directory"); more
// than `max` bytes are "File too large".
Result<std::vector<std::byte>> ReadHostFile(const std::string& path, size_t max);

}  // namespace davit::machine
