// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the probe guest does with the virtio devices that it finds. Each command prints lines that
// begin with the device's name and ends with one that says ok or what is wrong.

#pragma once

namespace probe {

// At the start and after each change: finds and starts what it drives on its own.
void StartDevices();
// Each tick: the balloon follows its target and renews its statistics, ports are served.
void ServeDevices();

void PrintDevices();
void PrintBalloon();
void TestBlock();
void TestRng();
// Tells pvpanic that the guest has panicked.
void Panic();

}  // namespace probe
