// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Load on a block device as the guest sees it: O_DIRECT, a fixed number of requests under way, by
// the kernel's native asynchronous I/O (depth 1: pread and pwrite).
#pragma once

#include <string>

namespace davit::bench_guest {

// "PATH read|write rand|seq BYTES DEPTH MS" -> the answer's line: "disk ops N ns T", or what
// failed.
std::string RunDisk(const std::string& arguments);

}  // namespace davit::bench_guest
