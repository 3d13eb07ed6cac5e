// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the inits of our Linux guests begin with.
#pragma once

namespace davit::guest_init {

// Mounts /proc, /sys and /dev, makes the console raw (what is sent is not echoed, lines end in
// "\r\n") and stdout line by line.
void SetUpConsole();

}  // namespace davit::guest_init
