// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Starts the other processors by INIT-SIPI (SDM vol. 3, 9.4.4), one after the other, and counts
// those that reach 64-bit mode. They then halt for good.

#pragma once

#include <cstdint>

namespace probe {

// Up to local APIC id 254. False: it did not start.
bool StartCpu(uint32_t apic_id);
// All that the tables name.
void StartSecondaryCpus();

}  // namespace probe
