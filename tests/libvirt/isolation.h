// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A part of the host to itself: what runs in it sees other processes, network interfaces and mounts
// than the host does, and none of it outlives the test, however that ends.
#pragma once

#include <functional>
#include <string>

#include "vmm/base/error.h"

namespace davit::testing {

// Runs `body` in new process, network and mount namespaces, and returns its exit status. Needs
// root. The first process in there reaps what others leave, as init does; it ends with `body`, or
// when this process ends, and the kernel ends all others with it. Error: the host allows no
// namespaces; `body` did not run. Call before there are threads.
Result<int> RunIsolated(const std::function<int()>& body);

// Inside: puts a file or directory in the place of another, for this namespace alone.
Status Bind(const std::string& path, const std::string& over);

}  // namespace davit::testing
