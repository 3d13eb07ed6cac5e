// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The PCI hierarchy of a board as values of the facade. Control thread; takes the host's lock.
#pragma once

#include <string>
#include <vector>

#include "vmm/control/pci_types.h"
#include "vmm/pci/host_bridge.h"

namespace davit::machine {

std::vector<control::PciBus> DescribePci(pci::HostBridge& host);

// One function, as "info qtree" shows it behind its properties: class, address and ids, a line a
// BAR. Takes the host's lock.
std::vector<std::string> PciLines(pci::HostBridge& host, pci::Function& function);

}  // namespace davit::machine
