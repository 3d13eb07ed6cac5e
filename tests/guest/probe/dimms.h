// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// DIMM slots of the q35, by the registers of ACPI memory hot-plug at port 0xa00.

#pragma once

namespace probe {

// Does what an operating system does with each slot: takes a DIMM that has come into use (writes
// and reads back both ends), gives up one that shall go. A line for each, and their number.
void ServeDimms();

}  // namespace probe
