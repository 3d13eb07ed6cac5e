// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A driver of virtio-mem (virtio 1.2, 5.15): it plugs and unplugs blocks from the start of the
// region until there is as much as the host asks for.
#pragma once

namespace probe {

// The first such device, when there is one; after each FindVirtio().
void StartMem();
// Follows what the host asks for, and says when it is there.
void ServeMem();
void PrintMem();

}  // namespace probe
