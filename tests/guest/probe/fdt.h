// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads a flattened device tree (Devicetree Specification 0.4, chapter 5) in place.

#pragma once

#include <cstdint>

namespace probe {

// One line: size, node count, model and compatible of the root, or "none".
void PrintDeviceTreeSummary(uint64_t address);

// The whole tree, one line per node and property, indented. At the end "device tree: done".
void PrintDeviceTree(uint64_t address);

}  // namespace probe
