// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The text of "info pci", as QEMU 7.2 words it. Pure.
#pragma once

#include <string>
#include <vector>

#include "vmm/control/pci_types.h"

namespace davit::qmp::hmp {

std::string FormatPci(const std::vector<control::PciBus>& buses);

}  // namespace davit::qmp::hmp
