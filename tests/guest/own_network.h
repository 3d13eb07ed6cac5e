// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The network namespace of the test program, where it makes taps.
#pragma once

namespace davit::testing {

// Moves to a namespace of its own, with loopback up. Once, for the whole program: threads and
// processes that are started later are in it. False: no right to.
bool OwnNetwork();
// Whether taps, and taps that the kernel serves, can be made there.
bool HasTap();
bool HasVhost();

}  // namespace davit::testing
