// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What a VMM's process and its object tree hold, to be compared before and after: nothing that was
// plugged and unplugged may be left. Owner: the thread of the test.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/guest/guest_vm.h"

namespace davit::testing {

// Descriptors by what they are, threads by name, bytes of mapped files by name ("map /memfd:..."),
// objects by path, block nodes, character and memory devices, each counted; and "memory plugged".
using Holdings = std::map<std::string, int64_t>;
Holdings HoldingsOf(Vm& vm);

// Fails the test unless they come to be `wanted`: threads end, and descriptors close, when those of
// I/O threads have come round.
void ExpectHoldings(Vm& vm, const Holdings& wanted);

}  // namespace davit::testing
