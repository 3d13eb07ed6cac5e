// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The driver of the first virtio-serial device (virtio 1.2, 5.3) and of its ports up to number 2:
// a console sends back what it hears, a port called org.qemu.guest_agent.0 has the agent (agent.h),
// others stay closed. Over PCI it is woken by messages, over MMIO it looks at each tick.

#pragma once

namespace probe {

void StartPorts();
void ServePorts();
// A line to the console.
void TestConsole();

}  // namespace probe
