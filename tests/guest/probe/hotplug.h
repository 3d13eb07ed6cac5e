// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Native hot-plug of PCI Express (4.0, 6.7) as the probe guest serves it, by looking at the slots
// at each interrupt: a card that came gets power and addresses, one that shall go loses power at
// once.

#pragma once

namespace probe {

// At the start, when the devices that are there have been found.
void FindHotplugSlots();
// After each interrupt.
void ServeHotplug();

}  // namespace probe
